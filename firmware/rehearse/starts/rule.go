package starts

import (
	"fmt"
	"maps"
	"slices"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
)

// Rule is what must hold when the device has started after a crash. Its text is for
// people.
type Rule string

// The rules.
const (
	Starts   Rule = "the device starts"
	Whole    Rule = "the old or the new firmware runs for good, and the old one only where the new one was given up"
	Security Rule = "the security version never falls, and rises only with the firmware"
	Kept     Rule = "all that the HSM holds is there, and nothing else"
	Schema   Rule = "all data are in the form that the firmware leaves"
	Log      Rule = "the audit log is whole, and goes on from where it was"
)

// checks are the rules for a device that has started, in the order in which they are
// judged.
var checks = []struct {
	rule   Rule
	broken func(p *player, s *state) string // what is wrong; "" = nothing
}{
	{Whole, func(p *player, s *state) string {
		switch {
		case s.boot.State != boot.Idle || !s.boot.Confirmed:
			return fmt.Sprintf("the bootloader is in the state %v", s.boot.State)
		case s.boot.Running == p.after.boot.Running:
			return ""
		case s.boot.Running == p.before.boot.Running && s.boot.Last == boot.FellBack:
			return ""
		}
		return fmt.Sprintf("firmware %v runs", s.boot.Running)
	}},
	{Security, func(p *player, s *state) string {
		want := p.before.boot.Security
		if s.boot.Running == p.after.boot.Running {
			want = p.after.boot.Security
		}
		if s.boot.Security != want || want < p.before.boot.Security {
			return fmt.Sprintf("it is %d, was %d", s.boot.Security, p.before.boot.Security)
		}
		return ""
	}},
	{Kept, kept},
	{Schema, func(_ *player, s *state) string {
		if s.held.Schema != s.schema || s.held.Others > 0 {
			return fmt.Sprintf("the firmware leaves schema %d; the HSM has schema %d, and %d objects have another one", s.schema, s.held.Schema, s.held.Others)
		}
		return ""
	}},
	{Log, func(p *player, s *state) string {
		if len(s.held.Findings) > 0 {
			return fmt.Sprint(s.held.Findings)
		}
		old := p.before.held.Log
		if len(s.held.Log) < len(old) || !slices.EqualFunc(old, s.held.Log[:len(old)], sameRecord) {
			return fmt.Sprintf("%d records, which do not begin with the %d that were there", len(s.held.Log), len(old))
		}
		return ""
	}},
}

// kept compares what the HSM holds with what it held.
func kept(p *player, s *state) string {
	before, after := p.before.held.Records, s.held.Records
	for _, name := range slices.Sorted(maps.Keys(before)) {
		digest, there := after[name]
		switch {
		case !there:
			return fmt.Sprintf("record %s is lost", name)
		case digest != before[name]:
			return fmt.Sprintf("record %s has changed", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, there := before[name]; !there {
			return fmt.Sprintf("record %s was not there", name)
		}
	}
	return ""
}

func sameRecord(a, b command.AuditRecord) bool {
	return a.Number == b.Number && slices.Equal(a.Code, b.Code)
}

// judge returns which rule does not hold, and how; "" = all hold.
func (p *player) judge(s state, err error) (Rule, string) {
	if err != nil {
		return Starts, err.Error()
	}
	for _, c := range checks {
		if wrong := c.broken(p, &s); wrong != "" {
			return c.rule, wrong
		}
	}
	return "", ""
}
