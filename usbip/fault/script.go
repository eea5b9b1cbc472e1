package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Script says which faults happen when. Parse makes one of text; in a Go test
// one may be written down as it is. The same script, seed and sequence of
// transfers give the same faults.
type Script struct {
	Seed  uint64 // of everything random
	Rules []Rule // in order: the first that fires decides what happens to a transfer
}

// Rule is one line of a script: when it fires, all its faults happen.
type Rule struct {
	Line   int // in the text, counted from 1; 0 if the rule was not parsed
	On     Selector
	Faults []Fault
}

// Fault is one thing that goes wrong. The types of this package that end in a
// line of the table of docs/faults.md are the only ones.
type Fault interface {
	// String returns the fault as a script spells it.
	String() string
	place() place
}

// place is where a fault happens.
type place uint8

const (
	onTransfers   place = iota // between the server and the device
	onConnections              // between the server and the network
	onReplies                  // between the network and our own client
)

// Errors of scripts.
var (
	// ErrScript says that a rule makes no sense.
	ErrScript = errors.New("fault script")
	// ErrForbidden says that a script has a fault that breaks the USB/IP
	// protocol where the host may be a kernel.
	ErrForbidden = errors.New("fault breaks the USB/IP protocol")
)

// String returns the script as text that parses to the same script, but for the
// numbers of lines.
func (s Script) String() string {
	var b strings.Builder
	if s.Seed != 0 {
		fmt.Fprintf(&b, "seed %d\n", s.Seed)
	}
	for _, r := range s.Rules {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

// String returns the rule as a line of a script.
func (r Rule) String() string {
	faults := make([]string, len(r.Faults))
	for i, f := range r.Faults {
		faults[i] = f.String()
	}
	return r.On.String() + ": " + strings.Join(faults, ", ")
}

// Check finds rules that make no sense. The error wraps ErrScript. A script that
// was parsed has none.
func (s Script) Check() error {
	for i, r := range s.Rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrScript, r.where(i), err)
		}
	}
	return nil
}

// where names the rule, which is the i-th, to people.
func (r Rule) where(i int) string {
	if r.Line > 0 {
		return fmt.Sprintf("line %d", r.Line)
	}
	return fmt.Sprintf("rule %d", i+1)
}

func (r Rule) check() error {
	if len(r.Faults) == 0 {
		return errors.New("a rule has a fault")
	}
	others := 0 // than delays
	for _, f := range r.Faults {
		if _, delay := f.(Delay); !delay {
			others++
		}
		if r.On.Connections != (f.place() == onConnections) {
			return fmt.Errorf("%q is for %s", f, whereElse(r.On.Connections))
		}
		if err := checkFault(f); err != nil {
			return fmt.Errorf("%q: %w", f, err)
		}
	}
	if others > 1 && !r.On.Connections {
		return errors.New("a transfer has one fault at a time, and a delay besides: write two rules")
	}
	return r.On.check()
}

// whereElse names what a rule for connections, or one for transfers, is not about.
func whereElse(connections bool) string {
	if connections {
		return `transfers: write "on ..." in the place of "connection"`
	}
	return `connections: write "connection" in the place of "on ..."`
}

// forbidden finds faults that must not meet a host that may be a kernel.
func (s Script) forbidden() error {
	for i, r := range s.Rules {
		for _, f := range r.Faults {
			if f.place() == onReplies {
				return fmt.Errorf("%w: %s: %q would drop the device from a Linux host or harm its kernel, "+
					"so it only works in front of this project's own client, in a Go test: see fault.Import", ErrForbidden, r.where(i), f)
			}
		}
	}
	return nil
}
