package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"usbhsm7/firmware/control"
)

// MaxFile bounds a ceremony file, in bytes.
const MaxFile = 1 << 20

// ErrFile says that a file is no ceremony that could be held. The text around it
// names the line.
var ErrFile = errors.New("no ceremony")

// Ceremony is a ceremony file, checked: what people and a host are going to do.
type Ceremony struct {
	Title     string            `yaml:"title"`
	Purpose   string            `yaml:"purpose"` // for the report
	Follows   string            `yaml:"follows"` // the file of the ceremony that was held before, beside this one; may be empty
	Values    map[string]string `yaml:"values"`  // what stands for {name} in commands
	People    []Participant     `yaml:"people"`
	Witnesses []string          `yaml:"witnesses"` // of People, by their ID
	Keysets   []Keyset          `yaml:"keysets"`
	Papers    map[string]string `yaml:"papers"` // files that lie ready in the folder of the ceremony, and what is in them
	Steps     []Step            `yaml:"steps"`
	Faults    []Fault           `yaml:"faults"` // that rehearsals rehearse

	Name    string         `yaml:"-"` // of the file
	SHA256  string         `yaml:"-"` // of the file, hexadecimal
	folder  string         // of the file
	lines   map[string]int // of the fields at the top
	screens []string       // IDs of those of the device; nil: any
}

// Participant is somebody who takes part.
type Participant struct {
	ID   string `yaml:"id" json:"id"`     // a short name, in the file
	Name string `yaml:"name" json:"name"` // in full
	Is   string `yaml:"is" json:"is,omitempty"`
	line int
}

// Keyset is a set of iKeys that opens one secret.
type Keyset struct {
	ID      string `yaml:"id" json:"id"`
	For     string `yaml:"for" json:"for"` // whose secret it opens, in the words of the screen
	Sticker string `yaml:"sticker" json:"sticker"`
	Open    int    `yaml:"open" json:"open"` // how many iKeys open it
	Keys    []Key  `yaml:"keys" json:"keys"`
	line    int
}

// Key is an iKey of a keyset.
type Key struct {
	Key    string `yaml:"key" json:"key"`       // name of the iKey
	Holder string `yaml:"holder" json:"holder"` // ID of who holds it
	PIN    string `yaml:"pin" json:"-"`         // for runs without people; never recorded. "asked": only its holder knows it
	line   int
}

// pinAsked stands in the place of a PIN that only a person knows.
const pinAsked = "asked"

// Step is one thing after the other: a command of the host with what people do at
// the device meanwhile, or the power, or the clock; or only words.
type Step struct {
	ID       string           `yaml:"step"`
	Title    string           `yaml:"title"`
	Say      string           `yaml:"say"`      // is read aloud
	Who      []string         `yaml:"who"`      // IDs; by default the holders of the iKeys that are used
	Host     string           `yaml:"host"`     // a command line of hsm7, without that word
	Makes    []string         `yaml:"makes"`    // keysets, blank iKeys before
	Presents []Presented      `yaml:"presents"` // keysets
	Device   []string         `yaml:"device"`   // what else people do: rules as in a script for people
	Power    string           `yaml:"power"`    // off, on or cycle
	Clock    control.Duration `yaml:"clock"`    // by how much the device's clock is set forward
	Expect   Expectation      `yaml:"expect"`
	Files    []string         `yaml:"files"` // that the step makes in the folder of the ceremony
	line     int
}

// Presented says which iKeys of a keyset are presented: by default the first ones.
type Presented struct {
	Keyset string   `yaml:"keyset"`
	With   []string `yaml:"with"`
}

// Expectation is how a command ends.
type Expectation struct {
	Exit int      `yaml:"exit"` // exit status of hsm7
	Says []string `yaml:"says"` // what stands in its output
}

// Fault is something that goes wrong in a step, and how the step ends then.
type Fault struct {
	Title    string       `yaml:"fault"`
	At       string       `yaml:"at"`       // the step
	Before   []string     `yaml:"before"`   // what happens before it: acts as in a script for people
	Presents []Presented  `yaml:"presents"` // instead of what the step says
	People   []string     `yaml:"people"`   // rules that come before those of the step
	Fails    *Expectation `yaml:"fails"`    // nil: the step ends well all the same
	line     int
}

// Read reads and checks the ceremony in a file, for a device that shows these screens,
// or for any if screens is nil. An error about what is in the file wraps ErrFile.
func Read(path string, screens []string) (*Ceremony, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the ceremony: %w", err)
	}
	c, err := Parse(text, screens)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.Name, c.folder = filepath.Base(path), filepath.Dir(path)
	return c, nil
}

// Parse reads and checks the text of a ceremony file as Read does. Errors wrap ErrFile.
func Parse(text []byte, screens []string) (*Ceremony, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%w: the file is longer than %d bytes", ErrFile, MaxFile)
	}
	c := Ceremony{screens: screens}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&c); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrFile, plain(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows behind the ceremony", ErrFile)
	}
	digest := sha256.Sum256(text)
	c.SHA256 = hex.EncodeToString(digest[:])
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return &c, nil
}

// mismatch is what the decoder says of a value that is not what its field holds.
var mismatch = regexp.MustCompile("cannot unmarshal !!([a-z]+)(?: `(.*)`)? into (.*)$")

// shapes are what fields hold, by the beginning of their types in Go.
var shapes = []struct{ of, words string }{
	{"int", "a whole number"},
	{"string", "text"},
	{"[]", "a list, such as [one, two]"},
	{"map[", "lines like name: text"},
	{"ceremony.", "fields, each with its name"},
}

// plain returns what a YAML decoder says, in one line and without names of Go.
func plain(err error) string {
	if errors.Is(err, io.EOF) {
		return "the file is empty"
	}
	lines := strings.Split(strings.TrimPrefix(err.Error(), "yaml: "), "\n")
	if len(lines) > 1 {
		lines = lines[1:] // "unmarshal errors:"
	}
	for i, line := range lines {
		lines[i] = expected(strings.TrimSpace(line))
	}
	return strings.Join(lines, "; ")
}

// expected tells what a value should be, in a line of the decoder about one.
func expected(line string) string {
	parts := mismatch.FindStringSubmatch(line)
	if parts == nil {
		return line
	}
	found := map[string]string{"seq": "a list", "map": "fields", "null": "nothing"}[parts[1]]
	if found == "" {
		found = strconv.Quote(parts[2])
	}
	for _, shape := range shapes {
		if strings.HasPrefix(parts[3], shape.of) {
			return mismatch.ReplaceAllLiteralString(line, fmt.Sprintf("here should be %s, not %s", shape.words, found))
		}
	}
	return line
}

// Before returns the ceremony that this one follows, nil if there is none.
func (c *Ceremony) Before() (*Ceremony, error) {
	if c.Follows == "" {
		return nil, nil
	}
	return Read(filepath.Join(c.folder, c.Follows), c.screens)
}

// NeedsPeople reports whether only people can hold the ceremony, because the file
// does not know all PINs.
func (c *Ceremony) NeedsPeople() bool {
	for _, set := range c.Keysets {
		for _, k := range set.Keys {
			if k.PIN == pinAsked {
				return true
			}
		}
	}
	return false
}

// CommandLine is a command line of hsm7 in a ceremony file.
type CommandLine struct {
	Line int // of the file
	Args []string
}

// Commands returns the command lines of all steps. The folder of the ceremony is
// left as {out}.
func (c *Ceremony) Commands() (lines []CommandLine) {
	for _, s := range c.Steps {
		args, err := c.command(s.Host, map[string]string{"out": "{out}"})
		if err == nil && len(args) > 0 { // the file is checked
			lines = append(lines, CommandLine{s.line, args})
		}
	}
	return lines
}

// Summary says what is in a ceremony file.
type Summary struct {
	Title       string `json:"title"`
	SHA256      string `json:"sha256"`
	Follows     string `json:"follows,omitempty"`
	Steps       int    `json:"steps"`
	People      int    `json:"people"`
	Keys        int    `json:"keys"`
	Faults      int    `json:"faults"` // the usual ones included
	NeedsPeople bool   `json:"needs_people"`
}

// Summary returns that of c.
func (c *Ceremony) Summary() Summary {
	return Summary{
		Title: c.Title, SHA256: c.SHA256, Follows: c.Follows, Steps: len(c.Steps), People: len(c.People), Keys: len(c.bring()),
		Faults: len(c.Faults) + len(c.usualFaults()), NeedsPeople: c.NeedsPeople(),
	}
}
