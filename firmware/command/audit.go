package command

import (
	"fmt"
	"strings"
)

// AuditClass says what kind of event an audit record tells of. The numbers are
// bits of an [AuditMask].
type AuditClass uint16

// Classes of events.
const (
	AuditAccess    AuditClass = 1 << iota // sessions and logins
	AuditManage                           // the HSM, its partition, roles and policies
	AuditKeyManage                        // making, changing and destroying keys
	AuditUsage                            // every use of a key
	AuditFirstUse                         // the first use of a key since power-on
	AuditExternal                         // what a host has sent to be recorded
	AuditLogManage                        // the audit log itself

	AuditNever AuditClass = 0 // no event: nothing changes and no key is used
)

// Outcomes: bits of an AuditMask beside the classes.
const (
	AuditFailure AuditClass = 1 << (8 + iota)
	AuditSuccess
)

// AuditMask chooses what is recorded: events of a class in it, with an outcome
// in it. The zero mask records nothing.
type AuditMask uint16

// auditLetters are the names of the bits, in the order in which they are shown.
var auditLetters = []struct {
	letter string
	bit    AuditClass
	about  string
}{
	{"f", AuditFailure, "failure"},
	{"s", AuditSuccess, "success"},
	{"a", AuditAccess, "access"},
	{"m", AuditManage, "manage"},
	{"k", AuditKeyManage, "keymanage"},
	{"u", AuditUsage, "usage"},
	{"r", AuditFirstUse, "first usage"},
	{"x", AuditExternal, "external"},
	{"g", AuditLogManage, "logmanage"},
}

// AuditAll records everything.
const AuditAll = AuditMask(AuditAccess | AuditManage | AuditKeyManage | AuditUsage | AuditFirstUse | AuditExternal | AuditLogManage | AuditFailure | AuditSuccess)

// ParseAuditMask reads auditLetters apart by commas: f failure, s success, a access, m
// manage, k keymanage, u usage, r first usage, x external, g logmanage, l all of
// them, n none of them. All but n need f, s or both. The error has
// StatusArgumentsBad.
func ParseAuditMask(text string) (AuditMask, error) {
	var m AuditMask
	for letter := range strings.SplitSeq(text, ",") {
		switch letter = strings.TrimSpace(letter); letter {
		case "l":
			m = AuditAll
			continue
		case "n":
			return 0, nil
		}
		bit, ok := auditBit(letter)
		if !ok {
			return 0, StatusArgumentsBad.With(fmt.Sprintf("%q is no letter of an event mask", letter), "use auditLetters out of f,s,a,m,k,u,r,x,g,l,n with commas between them")
		}
		m |= AuditMask(bit)
	}
	return m, m.Check()
}

func auditBit(letter string) (AuditClass, bool) {
	for _, l := range auditLetters {
		if l.letter == letter {
			return l.bit, true
		}
	}
	return 0, false
}

// Check refuses masks that have unknown bits, or classes without an outcome.
func (m AuditMask) Check() error {
	switch {
	case m&^AuditAll != 0:
		return StatusArgumentsBad.Withf("the event mask %04x has unknown bits", uint16(m))
	case m != 0 && m&AuditMask(AuditFailure|AuditSuccess) == 0:
		return StatusArgumentsBad.With("the event mask chooses neither failures nor successes", "add f, s or both")
	}
	return nil
}

// String returns the mask as ParseAuditMask reads it.
func (m AuditMask) String() string {
	switch m {
	case 0:
		return "n"
	case AuditAll:
		return "l"
	}
	var list []string
	for _, l := range auditLetters {
		if m&AuditMask(l.bit) != 0 {
			list = append(list, l.letter)
		}
	}
	return strings.Join(list, ",")
}

// Wants reports whether an event of a class is recorded when it ends with ok.
func (m AuditMask) Wants(c AuditClass, ok bool) bool {
	outcome := AuditFailure
	if ok {
		outcome = AuditSuccess
	}
	return m&AuditMask(c) != 0 && m&AuditMask(outcome) != 0
}

// String returns the name of a class, as in a record that is shown.
func (c AuditClass) String() string {
	for _, l := range auditLetters {
		if l.bit == c {
			return l.about
		}
	}
	return fmt.Sprintf("class %04x", uint16(c))
}
