package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Schema is the only schema of a report there is.
const Schema = 1

// Report is what a rehearsal found.
type Report struct {
	Schema int     `json:"schema"`
	Tool   string  `json:"tool"` // version of the program
	Seed   uint64  `json:"seed"`
	Depth  string  `json:"depth"` // how much was tried: quick or full
	File   File    `json:"file"`
	Device Device  `json:"device"`
	Phases []Phase `json:"phases"`
	Failed int     `json:"failed"` // cases that failed, all together
}

// File is the update file.
type File struct {
	Name            string `json:"name"`
	SHA256          string `json:"sha256"`
	Bytes           int    `json:"bytes"`
	Product         string `json:"product"` // empty: the file cannot be read
	Version         string `json:"version"`
	SecurityVersion uint32 `json:"security_version"`
}

// Title says what the file brings, or that nobody can tell.
func (f File) Title() string {
	if f.Product == "" {
		return fmt.Sprintf("a file that cannot be read (%s)", f.Name)
	}
	return fmt.Sprintf("%s %s (%s)", f.Product, f.Version, f.Name)
}

// Device is the device.
type Device struct {
	Name     string `json:"name"`   // as it was given: a folder, a file, a profile
	Digest   string `json:"digest"` // of its flash
	Model    string `json:"model"`
	Firmware string `json:"firmware"` // version that runs
	Rollback string `json:"rollback,omitempty"`
	Security uint32 `json:"security_version"` // highest that was confirmed
}

// Phase is one way to try the update.
type Phase struct {
	Name     string    `json:"name"`   // such as cuts
	Title    string    `json:"title"`  // for people
	Unit     string    `json:"unit"`   // what was tried, such as crash states
	Tried    int       `json:"tried"`  // so many of these
	Cases    []Case    `json:"cases"`  // in the order in which they were tried
	Tables   []Table   `json:"tables"` // figures
	Notes    []string  `json:"notes"`  // what was left out, and why
	Failures []Failure `json:"failures"`
	Skipped  string    `json:"skipped,omitempty"` // why nothing was tried; empty: it was
}

// Case is a part of a phase: what JUnit calls a test case.
type Case struct {
	Name  string `json:"name"`
	Tried int    `json:"tried"`
}

// Table is some figures for people.
type Table struct {
	Title string     `json:"title"`
	Head  []string   `json:"head"`
	Rows  [][]string `json:"rows"`
}

// Failure is something that must not be.
type Failure struct {
	Case      string `json:"case"`
	Rule      string `json:"rule"` // what should hold
	Detail    string `json:"detail"`
	Token     string `json:"token"`     // names the state
	Reproduce string `json:"reproduce"` // the command that shows it again
}

// Add adds a phase.
func (r *Report) Add(p Phase) {
	r.Phases = append(r.Phases, p)
	r.Failed += len(p.Failures)
}

// Verdict says in a sentence how it went.
func (r *Report) Verdict() string {
	skipped := 0
	for _, p := range r.Phases {
		if p.Skipped != "" {
			skipped++
		}
	}
	switch {
	case r.Failed == 1:
		return "One case failed: do not install this update on this device."
	case r.Failed > 1:
		return fmt.Sprintf("%d cases failed: do not install this update on this device.", r.Failed)
	case skipped > 0:
		return fmt.Sprintf("Nothing failed, but %d of %d phases were left out.", skipped, len(r.Phases))
	}
	return "Nothing failed: whatever happens, this device comes back with the old firmware or the new."
}

// formats are the files that Write writes.
var formats = []struct {
	name  string
	write func(*Report, io.Writer) error
}{
	{"rehearsal.json", (*Report).JSON},
	{"rehearsal.xml", (*Report).JUnit},
	{"rehearsal.html", (*Report).HTML},
}

// Write writes the report to a folder, which is made if it is not there, in each of
// its formats, and returns the names of the files.
func (r *Report) Write(dir string) (files []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	for _, f := range formats {
		name := filepath.Join(dir, f.name)
		if err := r.writeFile(name, f.write); err != nil {
			return files, fmt.Errorf("report: %w", err)
		}
		files = append(files, name)
	}
	return files, nil
}

func (r *Report) writeFile(name string, write func(*Report, io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	err = write(r, file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

// JSON writes the report for machines.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}
