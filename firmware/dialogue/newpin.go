package dialogue

import (
	"bytes"
	"crypto/subtle"

	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

const (
	stNewPIN  state = "new PIN"
	stShort   state = "short PIN"
	stConfirm state = "confirm PIN"
	stDiffer  state = "PINs differ"

	evNoPIN  event = "empty"
	evShort  event = "too short"
	evDiffer event = "another PIN"
)

// newPIN are the states in which a person chooses the PIN of a key, from stNewPIN on.
var newPIN = []step{
	{state: stNewPIN, show: "write/pin", take: (*talk).takeNewPIN},
	{state: stShort, show: "write/short-pin"},
	{state: stConfirm, show: "write/confirm-pin", take: (*talk).confirmPIN},
	{state: stDiffer, show: "write/pins-differ"},
}

// withNewPIN returns the moves between these states, and with the PIN to then.
func withNewPIN(then state) []move {
	return []move{
		{stNewPIN, evNoPIN, then},
		{stNewPIN, evShort, stShort},
		{stNewPIN, evGiven, stConfirm},
		{stShort, evOK, stNewPIN},
		{stConfirm, evGiven, then},
		{stConfirm, evDiffer, stDiffer},
		{stDiffer, evOK, stNewPIN},
	}
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
