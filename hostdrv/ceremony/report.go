package ceremony

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed report.html
var reportPage string

// report is what the page is filled with.
type report struct {
	*Record
	Digest    string // SHA-256 of the record
	Steps     []Done // as they went right
	Rehearsed []Done // with faults
	Made      []File
	Signs     []Participant // all but the witnesses
	Witness   []Participant
}

// WriteReport writes the report: one HTML page that needs nothing else, to print
// on A4 and to sign.
func (r *Record) WriteReport(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"time": clockTime, "date": date, "picture": r.picture, "name": r.name, "names": r.names, "short": short, "join": strings.Join, "kind": kind,
	}).Parse(reportPage)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	digest := sha256.New()
	if err := r.Write(digest); err != nil {
		return err
	}
	data := report{Record: r, Digest: hex.EncodeToString(digest.Sum(nil))}
	data.sort()
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// sort puts steps, files and people where the page has them.
func (d *report) sort() {
	for _, s := range d.Record.Steps {
		if s.Fault != "" {
			d.Rehearsed = append(d.Rehearsed, s)
		}
		if s.Pass <= 1 && (s.Fault == "" || s.Failure == "" && s.Exit == 0) {
			d.Steps = append(d.Steps, s)
			d.Made = append(d.Made, s.Files...)
		}
	}
	for _, p := range d.People {
		if slices.Contains(d.Witnesses, p.ID) {
			d.Witness = append(d.Witness, p)
		} else {
			d.Signs = append(d.Signs, p)
		}
	}
}

// Began returns when the ceremony began.
func (d report) Began() Moment {
	if len(d.Record.Steps) == 0 {
		return Moment{}
	}
	return d.Record.Steps[0].Began
}

// Ended returns when the ceremony ended.
func (d report) Ended() Moment {
	if len(d.Record.Steps) == 0 {
		return Moment{}
	}
	return d.Record.Steps[len(d.Record.Steps)-1].Ended
}

func date(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2 January 2006, 15:04:05 UTC")
}

func clockTime(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("15:04:05")
}

// short is the beginning of a digest, for tables.
func short(digest string) string { return digest[:min(16, len(digest))] }

// kind says in which way a ceremony was held.
func kind(m Mode) string {
	switch m {
	case ByHand:
		return "held by the people who are named"
	case Rehearsal:
		return "rehearsed, with faults on purpose; a script stood for the people"
	}
	return "held by a script that stood for the people"
}

// picture returns a picture as the source of an image, which holds it.
func (r *Record) picture(name string) template.HTMLAttr {
	return template.HTMLAttr(`src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(r.Pictures[name]) + `"`) // base64 has no quotation mark
}

// name returns the name of a participant.
func (r *Record) name(id string) string {
	for _, p := range r.People {
		if p.ID == id {
			return p.Name
		}
	}
	return id
}

func (r *Record) names(ids []string) string {
	var all []string
	for _, id := range ids {
		all = append(all, r.name(id))
	}
	return strings.Join(all, ", ")
}
