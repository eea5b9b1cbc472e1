package dialogue

import (
	"bytes"
	"crypto/subtle"

	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

const (
	stEmpty   state = "blank?"
	stUsed    state = "overwrite?"
	stSame    state = "already written"
	stNewPIN  state = "new PIN"
	stShort   state = "short PIN"
	stConfirm state = "confirm PIN"
	stDiffer  state = "PINs differ"
	stStore   state = "store"

	evUsed   event = "not blank"
	evSame   event = "already written"
	evNoPIN  event = "empty"
	evShort  event = "too short"
	evDiffer event = "another PIN"
)

// writeTable writes one key of a set.
var writeTable = withKey(table{
	name:  "write",
	about: "Part of other dialogues: writes one iKey of a keyset. It asks before it overwrites anything, blank iKeys included.",
	steps: []step{
		{state: stCheck, work: (*talk).checkUse, does: "ask the iKey what it is"},
		{state: stEmpty, show: "write/blank"},
		{state: stUsed, show: "write/used"},
		{state: stSame, show: "write/same", port: true},
		{state: stNewPIN, show: "write/pin", take: (*talk).takeNewPIN},
		{state: stShort, show: "write/short-pin"},
		{state: stConfirm, show: "write/confirm-pin", take: (*talk).confirmPIN},
		{state: stDiffer, show: "write/pins-differ"},
		{state: stStore, show: "write/wait", work: (*talk).store, does: "write the iKey and read it back"},
	},
	moves: []move{
		{stCheck, evBlank, stEmpty},
		{stCheck, evUsed, stUsed},
		{stCheck, evSame, stSame},
		{stEmpty, evYes, stNewPIN},
		{stEmpty, evNo, stInsert},
		{stUsed, evYes, stNewPIN},
		{stUsed, evNo, stInsert},
		{stNewPIN, evNoPIN, stStore},
		{stNewPIN, evShort, stShort},
		{stNewPIN, evGiven, stConfirm},
		{stShort, evOK, stNewPIN},
		{stConfirm, evGiven, stStore},
		{stConfirm, evDiffer, stDiffer},
		{stDiffer, evOK, stNewPIN},
		{stStore, evDone, endDone},
		{stStore, evNoKey, stPulled},
	},
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

// takeNewPIN takes the PIN that the key is to have.
func (t *talk) takeNewPIN(a touchscreen.Answer) event {
	clear(t.pin)
	t.pin = bytes.Clone(a.Digits)
	switch {
	case len(t.pin) == 0:
		return evNoPIN
	case len(t.pin) < ikey.MinPIN:
		return evShort
	}
	return evGiven
}

func (t *talk) confirmPIN(a touchscreen.Answer) event {
	if subtle.ConstantTimeCompare(t.pin, a.Digits) == 1 {
		return evGiven
	}
	clear(t.pin)
	t.pin = nil
	return evDiffer
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
