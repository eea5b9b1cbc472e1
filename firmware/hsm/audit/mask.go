package audit

import (
	"fmt"
	"strings"

	"usbhsm7/firmware/command"
)

// Class says what kind of event a record tells of. The numbers are bits of a
// [Mask].
type Class uint16

// Classes of events.
const (
	Access    Class = 1 << iota // sessions and logins
	Manage                      // the HSM, its partition, roles and policies
	KeyManage                   // making, changing and destroying keys
	Usage                       // every use of a key
	FirstUse                    // the first use of a key since power-on
	External                    // what a host has sent to be recorded
	LogManage                   // the audit log itself
)

// Outcomes: bits of a Mask beside the classes.
const (
	Failure Class = 1 << (8 + iota)
	Success
)

// Mask chooses what is recorded: events of a class in it, with an outcome in it.
// The zero Mask records nothing.
type Mask uint16

// letters are the names of the bits, in the order in which they are shown.
var letters = []struct {
	letter string
	bit    Class
	about  string
}{
	{"f", Failure, "failure"},
	{"s", Success, "success"},
	{"a", Access, "access"},
	{"m", Manage, "manage"},
	{"k", KeyManage, "keymanage"},
	{"u", Usage, "usage"},
	{"r", FirstUse, "first usage"},
	{"x", External, "external"},
	{"g", LogManage, "logmanage"},
}

// All records everything.
const All = Mask(Access | Manage | KeyManage | Usage | FirstUse | External | LogManage | Failure | Success)

// ParseMask reads letters apart by commas: f failure, s success, a access, m
// manage, k keymanage, u usage, r first usage, x external, g logmanage, l all of
// them, n none of them. All but n need f, s or both. The error has
// StatusArgumentsBad.
func ParseMask(text string) (Mask, error) {
	var m Mask
	for letter := range strings.SplitSeq(text, ",") {
		switch letter = strings.TrimSpace(letter); letter {
		case "l":
			m = All
			continue
		case "n":
			return 0, nil
		}
		bit, ok := bitOf(letter)
		if !ok {
			return 0, command.StatusArgumentsBad.With(fmt.Sprintf("%q is no letter of an event mask", letter), "use letters out of f,s,a,m,k,u,r,x,g,l,n with commas between them")
		}
		m |= Mask(bit)
	}
	return m, m.Check()
}

func bitOf(letter string) (Class, bool) {
	for _, l := range letters {
		if l.letter == letter {
			return l.bit, true
		}
	}
	return 0, false
}

// Check refuses masks that have unknown bits, or classes without an outcome.
func (m Mask) Check() error {
	switch {
	case m&^All != 0:
		return command.StatusArgumentsBad.Withf("the event mask %04x has unknown bits", uint16(m))
	case m != 0 && m&Mask(Failure|Success) == 0:
		return command.StatusArgumentsBad.With("the event mask chooses neither failures nor successes", "add f, s or both")
	}
	return nil
}

// String returns the mask as ParseMask reads it.
func (m Mask) String() string {
	switch m {
	case 0:
		return "n"
	case All:
		return "l"
	}
	var list []string
	for _, l := range letters {
		if m&Mask(l.bit) != 0 {
			list = append(list, l.letter)
		}
	}
	return strings.Join(list, ",")
}

// Wants reports whether an event of a class is recorded when it ends with ok.
func (m Mask) Wants(c Class, ok bool) bool {
	outcome := Failure
	if ok {
		outcome = Success
	}
	return m&Mask(c) != 0 && m&Mask(outcome) != 0
}

// String returns the name of a class, as in a record that is shown.
func (c Class) String() string {
	for _, l := range letters {
		if l.bit == c {
			return l.about
		}
	}
	return fmt.Sprintf("class %04x", uint16(c))
}
