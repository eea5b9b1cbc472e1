package flash

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Cut says where the power fails: at one of the operations that a program makes, and
// how far that comes.
type Cut struct {
	Number int   // of the operation, counted from 1
	Kind   Kind  // of the operation
	Addr   int64 // of the operation, bytes; 0 for a sync
	How    Outcome
}

// ErrCut reports a text that names no cut.
var ErrCut = errors.New("this is no power cut, such as prog@0x4100#37:bits:17")

// CutAt returns the cut at an operation, the so-manieth from 1.
func CutAt(number int, o Operation, how Outcome) Cut { return Cut{number, o.Kind, o.Addr, how} }

// Is reports whether the cut is at an operation, the so-manieth from 1.
func (c Cut) Is(number int, o Operation) bool {
	return c.Number == number && c.Kind == o.Kind && c.Addr == o.Addr
}

// The names in the text of a cut.
var (
	kindNames = map[Kind]string{ProgramPage: "prog", EraseBlock: "erase", SyncDevice: "sync"}
	modeNames = map[Mode]string{
		Before: "before", TornPrefix: "prefix", TornBits: "bits", TornWord: "word", TornUnsteady: "unsteady", After: "after",
	}
)

// String names the cut for people and for ParseCut: kind, address and number of the
// operation, how far it came, and the seed of a tear, such as prog@0x4100#37:bits:17.
func (c Cut) String() string {
	text := fmt.Sprintf("%s@%#x#%d:%s", kindNames[c.Kind], c.Addr, c.Number, modeNames[c.How.Mode])
	if c.How.Seed != 0 {
		text += ":" + strconv.FormatUint(c.How.Seed, 10)
	}
	return text
}

// ParseCut is the inverse of String. The error is an ErrCut.
func ParseCut(text string) (Cut, error) {
	kind, rest, _ := strings.Cut(text, "@")
	addr, rest, _ := strings.Cut(rest, "#")
	number, rest, _ := strings.Cut(rest, ":")
	mode, seed, _ := strings.Cut(rest, ":")
	c := Cut{Kind: named(kindNames, kind), How: Outcome{Mode: named(modeNames, mode)}}
	var err error
	if c.Addr, err = strconv.ParseInt(addr, 0, 64); err == nil {
		c.Number, err = strconv.Atoi(number)
	}
	if seed != "" && err == nil {
		c.How.Seed, err = strconv.ParseUint(seed, 10, 64)
	}
	if err != nil || c.Number < 1 || c.Kind == 0 || c.How.Mode == 0 || c.String() != text {
		return Cut{}, fmt.Errorf("%w: %q", ErrCut, text)
	}
	return c, nil
}

// named returns what has a name; 0 = nothing.
func named[K comparable](names map[K]string, name string) (found K) {
	for k, n := range names {
		if n == name {
			found = k
		}
	}
	return found
}
