package boot_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
)

// TestEveryEventInEveryState brings a bootloader into each state and has each event
// happen that has a method: it leads where the table says, or is refused, and then
// the flash is as before.
func TestEveryEventInEveryState(t *testing.T) {
	small := build(t, boottest.Image(v794, 3, 1<<10, 1))
	other := build(t, boottest.Image(v795, 3, 1<<10, 1))
	reach := map[boot.State]func(*unit){
		boot.Idle: func(*unit) {},
		boot.Receiving: func(u *unit) {
			u.must(u.Begin(small.Head, boottest.Code, facts()), u.Chunks(0, small.Chunks[0]))
		},
		boot.Staged: func(u *unit) { u.must(small.Upload(u.Boot)) },
		boot.Trial: func(u *unit) {
			u.must(small.Upload(u.Boot), u.Activate())
			u.powerCycle()
		},
		boot.RollingBack: func(u *unit) { u.must(u.Rollback(false)) },
	}
	happen := map[boot.Event]func(*unit) error{
		boot.EventBegin:    func(u *unit) error { return u.Begin(other.Head, boottest.Code, facts()) },
		boot.EventChunk:    func(u *unit) error { return u.Chunks(0, small.Chunks[0]) },
		boot.EventStage:    func(u *unit) error { return u.Stage() },
		boot.EventAbort:    func(u *unit) error { return u.Abort() },
		boot.EventActivate: func(u *unit) error { return u.Activate() },
		boot.EventConfirm:  func(u *unit) error { return u.Confirm() },
		boot.EventRollback: func(u *unit) error { return u.Rollback(false) },
		boot.EventErased:   func(u *unit) error { return u.Erased() },
		boot.EventFloor:    func(u *unit) error { return u.RaiseFloor(2) },
	}
	ready := newUnit(t)
	ready.install(build(t, boottest.Image(v793, 2, 1<<10, 1)))
	for state, reach := range reach {
		for event, happen := range happen {
			u := &unit{t: t, chip: ready.chip.Clone()}
			u.powerCycle()
			reach(u)
			before := u.chip.Digest()
			err := happen(u)
			to, ok := leads(state, event)
			switch {
			case ok && err != nil:
				t.Errorf("%v while %v: %v", event, state, err)
			case ok && u.status().State != to:
				t.Errorf("%v while %v leads to %v, not %v", event, state, u.status().State, to)
			case !ok && (!errors.Is(err, boot.ErrState) || u.chip.Digest() != before):
				t.Errorf("%v while %v: %v", event, state, err)
			}
		}
	}
}

func leads(from boot.State, e boot.Event) (boot.State, bool) {
	for _, t := range boot.Transitions() {
		if t.From == from && t.Event == e {
			return t.To, true
		}
	}
	return from, false
}

func TestEveryStateCanBeLeft(t *testing.T) {
	left := map[boot.State]bool{}
	for _, tr := range boot.Transitions() {
		left[tr.From] = left[tr.From] || tr.To != tr.From
	}
	for s := boot.Idle; s <= boot.RollingBack; s++ {
		if !left[s] {
			t.Errorf("%v has no way out", s)
		}
	}
}
