package dialogue

import (
	"crypto/subtle"
	"slices"

	"usbhsm7/ikey"
)

const (
	stEmpty state = "blank?"
	stUsed  state = "overwrite?"
	stSame  state = "already written"
	stStore state = "store"

	evUsed event = "not blank"
	evSame event = "already written"
)

// writeTable writes one key of a set.
var writeTable = withKey(table{
	name:  "write",
	about: "Part of other dialogues: writes one iKey of a keyset. It asks before it overwrites anything, blank iKeys included.",
	steps: slices.Concat([]step{
		{state: stCheck, work: (*talk).checkUse, does: "ask the iKey what it is"},
		{state: stEmpty, show: "write/blank"},
		{state: stUsed, show: "write/used"},
		{state: stSame, show: "write/same", port: true},
	}, newPIN, []step{
		{state: stStore, show: "write/wait", work: (*talk).store, does: "write the iKey and read it back"},
	}),
	moves: slices.Concat([]move{
		{stCheck, evBlank, stEmpty},
		{stCheck, evUsed, stUsed},
		{stCheck, evSame, stSame},
		{stEmpty, evYes, stNewPIN},
		{stEmpty, evNo, stInsert},
		{stUsed, evYes, stNewPIN},
		{stUsed, evNo, stInsert},
	}, withNewPIN(stStore), []move{
		{stStore, evDone, endDone},
		{stStore, evNoKey, stPulled},
	}),
}, keyScreens{insert: "write/insert", damaged: "write/damaged", pulled: "write/pulled"}, stSame)

// checkUse asks the key in the port whether it may be written. A key of this set
// that was written already is known only if it has no PIN; of any other the person
// is asked.
func (t *talk) checkUse() (on event) {
	t.forgetPINs()
	var err error
	switch t.info, err = t.reader.Identify(t.ctx); {
	case err != nil:
		return t.mishap(err)
	case t.info.Kind == ikey.Blank:
		return evBlank
	case !t.info.PIN && t.writtenNow():
		return evSame
	}
	return evUsed
}

// writtenNow reports whether the key in the port is another one of this set: not
// the one whose writing was just tried.
func (t *talk) writtenNow() bool {
	c, err := t.reader.Read(t.ctx, nil)
	defer wipeContents(&c)
	next := t.keys[t.at]
	return err == nil && c.Set == next.Set && (c.Index != next.Index || t.copies > 0)
}

// store writes the key and reads it back, so that nobody relies on a key that
// cannot be read.
func (t *talk) store() event {
	defer t.forgetPINs()
	want := t.keys[t.at]
	if err := t.reader.Write(t.ctx, want, t.pin); err != nil {
		return t.mishap(err)
	}
	got, err := t.reader.Read(t.ctx, t.pin)
	defer wipeContents(&got)
	if err != nil {
		return t.exchanged(err)
	}
	if got.Set != want.Set || got.Index != want.Index || subtle.ConstantTimeCompare(got.Share, want.Share) == 0 {
		return evDamaged
	}
	return evDone
}

// exchanged says what it means that a key cannot be read back: if it wants another
// PIN, or is blank, or of another version, it is not the one that was written.
func (t *talk) exchanged(err error) event {
	switch on := t.mishap(err); on {
	case evWrong, evBlank, evVersion:
		return evPulled
	default:
		return on
	}
}
