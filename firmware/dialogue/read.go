package dialogue

import (
	"bytes"
	"errors"

	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

// States of the dialogues with a key.
const (
	stInsert  state = "insert"
	stNoKey   state = "no iKey"
	stCheck   state = "check"
	stPIN     state = "PIN"
	stRead    state = "read"
	stWrong   state = "wrong PIN"
	stBlank   state = "blank"
	stOther   state = "other kind"
	stVersion state = "other version"
	stStrange state = "not an iKey"
	stDamaged state = "damaged"
	stPulled  state = "pulled out"
)

// What may come of a key.
const (
	evBlank   event = "blank"
	evOther   event = "other kind"
	evVersion event = "other version"
	evPIN     event = "has a PIN"
	evOpen    event = "has no PIN"
	evWrong   event = "wrong PIN"
	evStrange event = "not an iKey"
	evDamaged event = "damaged"
	evPulled  event = "pulled out"
)

// readTable reads one key.
var readTable = withKey(table{
	name:  "read",
	about: "Part of other dialogues: reads one iKey, of any kind or of the one that is asked for. Whatever else is plugged in is named on the screen and ignored.",
	steps: []step{
		{state: stCheck, work: (*talk).checkKind, does: "ask the iKey what it is", judges: true},
		{state: stPIN, show: "read/pin", take: (*talk).takePIN},
		{state: stRead, show: "read/wait", work: (*talk).read, does: "read the iKey", judges: true},
		{state: stWrong, show: "read/wrong-pin", port: true},
		{state: stBlank, show: "read/blank", port: true},
		{state: stOther, show: "read/other-kind", port: true},
		{state: stVersion, show: "read/other-version", port: true},
	},
	moves: []move{
		{stCheck, evBlank, stBlank},
		{stCheck, evOther, stOther},
		{stCheck, evPIN, stPIN},
		{stCheck, evOpen, stRead},
		{stPIN, evGiven, stRead},
		{stRead, evDone, endDone},
		{stRead, evWrong, stWrong},
		{stRead, evBlank, stBlank},
		{stRead, evVersion, stVersion},
		{stRead, evNoKey, stPulled},
		{stWrong, evOK, stCheck},
		{stWrong, evKey, stCheck},
	},
}, keyScreens{insert: scAsk, damaged: "read/damaged", pulled: "read/pulled"}, stBlank, stOther, stVersion)

// checkKind asks the key in the port what it is.
func (t *talk) checkKind() (on event) {
	t.forgetPINs()
	var err error
	switch t.info, err = t.reader.Identify(t.ctx); {
	case err != nil:
		return t.mishap(err)
	case t.info.Kind == ikey.Blank:
		return evBlank
	case t.kind != ikey.Blank && t.info.Kind != t.kind:
		return evOther
	case t.info.PIN:
		return evPIN
	}
	return evOpen
}

// read reads the key in the port into t.key.
func (t *talk) read() event {
	var err error
	wipeContents(&t.key)
	t.key, err = t.reader.Read(t.ctx, t.pin)
	t.forgetPINs()
	if err != nil {
		return t.mishap(err)
	}
	return evDone
}

// takePIN takes the PIN of the key in the port.
func (t *talk) takePIN(a touchscreen.Answer) event {
	clear(t.pin)
	t.pin = bytes.Clone(a.Digits)
	return evGiven
}

// mishaps says which event an error of the reader is. Of two that fit, the first
// counts.
var mishaps = []struct {
	err error
	on  event
}{
	{ikey.ErrNoKey, evNoKey},
	{ikey.ErrNotAKey, evStrange},
	{ikey.ErrDamaged, evDamaged},
	{ikey.ErrVersion, evVersion},
	{ikey.ErrContents, evDamaged},
	{ikey.ErrPIN, evWrong},
	{ikey.ErrBlank, evBlank},
	{ikey.ErrRemoved, evPulled},
}

func (t *talk) mishap(err error) event {
	for _, m := range mishaps {
		if errors.Is(err, m.err) {
			return m.on
		}
	}
	if t.ctx.Err() != nil {
		return evGone
	}
	t.err = err
	return evFailed
}

func wipeContents(c *ikey.Contents) {
	clear(c.Share)
	*c = ikey.Contents{}
}
