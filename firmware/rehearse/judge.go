package rehearse

import (
	"fmt"
	"slices"

	"usbhsm7/firmware/command"
)

// Kind is a kind of fault that a rehearsal finds.
type Kind string

// Kinds of faults.
const (
	Brick       Kind = "brick"             // the device does not start
	Mixture     Kind = "mixture"           // neither the old state nor the new one
	Lost        Kind = "lost acknowledged" // the host had its answer, and the change is not there
	Backwards   Kind = "counter went back" // attempts or handles
	FreeGuess   Kind = "free guess"        // a password was looked at and the attempt is not counted
	BrokenLog   Kind = "broken log"        // the audit log is not whole
	Unrecorded  Kind = "change without its record, or record without its change"
	Remains     Kind = "the key of before is on the flash"
	Unexplained Kind = "writes though it should not, or does not though it should"
)

// Fault is one finding.
type Fault struct {
	Scene  string
	Kind   Kind
	Where  string // the operation that was cut
	Detail string
}

// String describes the fault for people.
func (f Fault) String() string {
	return fmt.Sprintf("%s: %s: %s: %s", f.Scene, f.Where, f.Kind, f.Detail)
}

// verdict gathers the faults of a scene.
type verdict struct {
	scene    *Scene
	old, new *Observation
	counted  bool // a crash state has the attempt counted, and no effect yet
	faults   []Fault
}

func (v *verdict) add(kind Kind, where, format string, args ...any) {
	v.faults = append(v.faults, Fault{v.scene.Name, kind, where, fmt.Sprintf(format, args...)})
}

// judge compares what was found after a crash with the two states that are
// allowed.
func (v *verdict) judge(got *Observation, where string, answered bool) {
	if answered && !got.equal(v.new) {
		v.add(Lost, where, "%s", v.difference(got, v.new))
		return
	}
	if got.facts != v.old.facts && got.facts != v.new.facts {
		v.add(Mixture, where, "%s", differs(got.facts, v.new.facts))
	}
	v.judgeCounters(got, where)
	v.judgeLog(got, where)
}

func (v *verdict) difference(got, want *Observation) string {
	switch {
	case got.facts != want.facts:
		return differs(got.facts, want.facts)
	case got.left != want.left:
		return fmt.Sprintf("attempts left %v, want %v", got.left, want.left)
	case got.tries != want.tries:
		return fmt.Sprintf("%d attempts at keys failed, want %d", got.tries, want.tries)
	case got.next != want.next:
		return fmt.Sprintf("next handle %d, want %d", got.next, want.next)
	}
	return fmt.Sprintf("%d audit records, want %d, or others", len(got.log), len(want.log))
}

// judgeCounters wants attempts and handles as before or after, but for an
// attempt that is counted before its outcome is known.
func (v *verdict) judgeCounters(got *Observation, where string) {
	for role, left := range got.left {
		begun := v.scene.Spends == command.Role(role) && left+1 == v.old.left[role]
		if begun && got.facts == v.old.facts {
			v.counted = true
		}
		if left != v.old.left[role] && left != v.new.left[role] && !begun {
			v.add(Backwards, where, "%s has %d attempts left, had %d", command.Role(role), left, v.old.left[role])
		}
	}
	begun := v.scene.Guesses && got.tries == v.old.tries+1
	v.counted = v.counted || begun
	if got.tries != v.old.tries && got.tries != v.new.tries && !begun {
		v.add(Backwards, where, "%d attempts at keys failed, were %d", got.tries, v.old.tries)
	}
	if got.next != v.old.next && got.next != v.new.next {
		v.add(Backwards, where, "next handle %d, was %d", got.next, v.old.next)
	}
}

// judgeLog wants a log that is whole, and that has the record of the change if
// the change is there.
func (v *verdict) judgeLog(got *Observation, where string) {
	if len(got.verdict) > 0 {
		v.add(BrokenLog, where, "%v", got.verdict)
	}
	isOld, isNew := sameLog(got.log, v.old.log), sameLog(got.log, v.new.log)
	if !isOld && !isNew && !between(v.old.log, got.log, v.new.log) {
		v.add(BrokenLog, where, "%d records, neither those before nor those after", len(got.log))
	}
	changes, records := v.old.facts != v.new.facts, !sameLog(v.old.log, v.new.log)
	if changes && records && v.scene.Apart == "" && (got.facts == v.new.facts) != isNew {
		v.add(Unrecorded, where, "the change is there: %v, its record: %v", got.facts == v.new.facts, isNew)
	}
}

// between reports whether a log goes on from one and leads to another.
func between(old, got, new []command.AuditRecord) bool {
	return len(old) <= len(got) && len(got) <= len(new) && sameLog(old, got[:len(old)]) && sameLog(got, new[:len(got)])
}

// judgeEnds looks at the states before and after, and at what the device itself
// said after the command.
func (v *verdict) judgeEnds(live *Observation) {
	const where = "no power cut"
	for role, left := range v.new.left {
		if left > live.left[role] {
			v.add(Backwards, where, "%s had %d attempts left, and has %d after a power cycle", command.Role(role), live.left[role], left)
		}
	}
	if v.new.next < live.next && !v.scene.Destroys {
		v.add(Backwards, where, "the next handle was %d, and is %d after a power cycle", live.next, v.new.next)
	}
	if v.scene.Later == "" && !live.equal(v.new) {
		v.add(Lost, where, "%s; the next power-on sees the latter", v.difference(live, v.new))
	}
	if v.new.equal(v.old) {
		v.add(Lost, where, "the next power-on sees nothing of the command")
	}
	if !v.scene.Destroys && v.new.next != 0 && v.new.next <= v.old.highest {
		v.add(Backwards, where, "the next handle is %d, and %d was given already", v.new.next, v.old.highest)
	}
	if r := v.scene.Spends; r != command.RoleNone && v.scene.Status != command.StatusOK && !v.scene.Returns && v.new.facts == v.old.facts && v.new.left[r]+1 != v.old.left[r] {
		v.add(FreeGuess, where, "%s has %d attempts left, had %d", r, v.new.left[r], v.old.left[r])
	}
	for _, o := range []*Observation{v.old, v.new} {
		if len(o.verdict) > 0 {
			v.add(BrokenLog, where, "%v", o.verdict)
		}
		if !slices.IsSortedFunc(o.log, func(a, b command.AuditRecord) int { return int(a.Number) - int(b.Number) }) {
			v.add(BrokenLog, where, "the numbers do not rise")
		}
	}
}

// judgeGuess wants to have seen the attempt counted before its outcome.
func (v *verdict) judgeGuess() {
	guesses := v.scene.Guesses || v.scene.Spends != command.RoleNone && !v.scene.last(v.old)
	if guesses && !v.counted {
		v.add(FreeGuess, "all power cuts", "none leaves the attempt counted: it is counted after the password was looked at")
	}
}

// last reports whether the attempt is the last one of a role, so that the next
// power-on brings the effect.
func (s *Scene) last(old *Observation) bool { return old.left[s.Spends] == 1 }
