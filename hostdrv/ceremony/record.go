package ceremony

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Format is the version of records.
const Format = 1

// Record is what happened in a ceremony. It holds no PIN, and no secret that the
// screen showed. Two runs without people and with the same seed have the same
// record but for wall times.
type Record struct {
	Format   int    `json:"format"`
	Program  string `json:"program"` // version of hsm7
	Title    string `json:"title"`
	Purpose  string `json:"purpose,omitempty"`
	File     File   `json:"file"` // the ceremony file
	Mode     Mode   `json:"mode"`
	Seed     string `json:"seed,omitempty"` // from which everything random followed; empty: it did not
	Unit     Unit   `json:"unit"`
	Outcome  string `json:"outcome"` // in words
	Finished bool   `json:"finished"`

	People    []Participant `json:"people"`
	Witnesses []string      `json:"witnesses,omitempty"` // of People, by their ID
	Keysets   []Keyset      `json:"keysets,omitempty"`

	Steps    []Done            `json:"steps"`
	Pictures map[string][]byte `json:"pictures,omitempty"` // PNG files by their SHA-256, hexadecimal
}

// Mode is how a ceremony is held.
type Mode string

// Modes.
const (
	Unattended Mode = "unattended" // a script stands for the people
	ByHand     Mode = "by hand"    // people are at the screen
	Rehearsal  Mode = "rehearsal"  // a script stands for the people, and things go wrong
)

// File is a file and its digest.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // hexadecimal
	Size   int64  `json:"size,omitempty"`
}

// Unit is the device of a ceremony.
type Unit struct {
	Model    string `json:"model"`
	Serial   string `json:"serial"`
	Firmware string `json:"firmware"`
}

// Moment is a point in time by both clocks.
type Moment struct {
	Device time.Time `json:"device"` // what the device's clock shows
	Wall   time.Time `json:"wall"`
}

// Done is a step as it was carried out. A step of a rehearsal is there once more
// for each fault.
type Done struct {
	Number  int      `json:"number"` // of the step in the file, from 1
	ID      string   `json:"id"`
	Pass    int      `json:"pass,omitempty"` // of a rehearsal, from 1: the ceremony is begun anew for each
	Title   string   `json:"title"`
	Say     string   `json:"say,omitempty"`
	Fault   string   `json:"fault,omitempty"` // what went wrong on purpose
	Who     []string `json:"who,omitempty"`
	Does    string   `json:"does,omitempty"` // the command of the host, or what happened to power or clock
	Began   Moment   `json:"began"`
	Ended   Moment   `json:"ended"`
	Exit    int      `json:"exit"`
	Output  string   `json:"output,omitempty"`
	Before  string   `json:"state_before,omitempty"` // SHA-256 of the device's flash
	After   string   `json:"state_after,omitempty"`
	Screens []Shown  `json:"screens,omitempty"`
	Files   []File   `json:"files,omitempty"` // that the step made
	Failure string   `json:"failure,omitempty"`
}

// Shown is a screen that waited for people, and what they did.
type Shown struct {
	Device     time.Time `json:"device"` // what the device's clock showed
	Screen     string    `json:"screen"`
	Title      string    `json:"title"`
	Text       []string  `json:"text,omitempty"`
	Who        string    `json:"who,omitempty"`        // who acted, by ID
	Did        []string  `json:"did,omitempty"`        // without digits of PINs
	Unexpected bool      `json:"unexpected,omitempty"` // the ceremony file does not know it
	Picture    string    `json:"picture,omitempty"`    // key of Record.Pictures
}

// newRecord returns the record of a ceremony that begins.
func newRecord(c *Ceremony) *Record {
	return &Record{
		Format: Format, Title: c.Title, Purpose: c.Purpose, File: File{Name: c.Name, SHA256: c.SHA256},
		People: c.People, Witnesses: c.Witnesses, Keysets: c.Keysets, Pictures: map[string][]byte{},
	}
}

// Write writes the record as JSON.
func (r *Record) Write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}

// ReadRecord reads what Write has written.
func ReadRecord(from io.Reader) (*Record, error) {
	var r Record
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("read the record: its format is %d, not %d", r.Format, Format)
	}
	return &r, nil
}

// RecordName and ReportName return what the files of a ceremony are called after
// its own file: initialise.yaml has initialise.record.json and initialise.report.html.
func RecordName(file string) string { return stem(file) + ".record.json" }

// ReportName is described at RecordName.
func ReportName(file string) string { return stem(file) + ".report.html" }

func stem(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// Save writes the record and the report into a folder. Each is there whole or not
// at all.
func (r *Record) Save(folder string) error {
	for name, write := range map[string]func(io.Writer) error{RecordName(r.File.Name): r.Write, ReportName(r.File.Name): r.WriteReport} {
		if err := replace(filepath.Join(folder, name), write); err != nil {
			return fmt.Errorf("save %s: %w", name, err)
		}
	}
	return nil
}

// replace writes a file beside path and puts it in its place.
func replace(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = errors.Join(file.Chmod(0o644), write(file))
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
