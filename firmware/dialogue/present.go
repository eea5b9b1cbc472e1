package dialogue

import (
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/ikey"
	"usbhsm7/ikey/share"
)

const (
	stFirst     state = "first iKey"
	stNext      state = "next iKey"
	stAccept    state = "accept"
	stOpen      state = "open"
	stMixed     state = "other keyset"
	stTwice     state = "same iKey"
	stUnfit     state = "does not fit"
	stSwappedIn state = "another iKey"

	evMore  event = "more needed"
	evWhole event = "enough"
	evMixed event = "other keyset"
	evTwice event = "same iKey"
	evUnfit event = "does not fit"
)

// presentTable has a person present a keyset.
var presentTable = table{
	name:  "present",
	about: "Authenticates: a person presents as many iKeys of one keyset as open it.",
	steps: []step{
		{state: stFirst, work: asking("present/insert"), does: "the dialogue read"},
		{state: stNext, work: asking("present/next"), does: "the dialogue read"},
		{state: stSwappedIn, work: another, does: "the dialogue read, of the iKey in the port"},
		{state: stAccept, work: (*talk).accept, does: "see whether the iKey belongs to those before", judges: true},
		{state: stOpen, work: (*talk).open, does: "open the secret of the keyset"},
		{state: stMixed, show: "present/other-set", port: true},
		{state: stTwice, show: "present/same-key", port: true},
		{state: stUnfit, show: "present/unfit", port: true},
	},
	moves: append([]move{
		{stFirst, evDone, stAccept},
		{stNext, evDone, stAccept},
		{stSwappedIn, evDone, stAccept},
		{stAccept, evMore, stNext},
		{stAccept, evWhole, stOpen},
		{stAccept, evMixed, stMixed},
		{stAccept, evTwice, stTwice},
		{stAccept, evUnfit, stUnfit},
		{stMixed, evOK, stNext},
		{stMixed, evKey, stSwappedIn},
		{stTwice, evOK, stNext},
		{stTwice, evKey, stSwappedIn},
		{stUnfit, evOK, stNext},
		{stUnfit, evKey, stSwappedIn},
		{stOpen, evDone, endDone},
	}, leave...),
}

// asking returns the work of reading a key that a screen asks for.
func asking(screen screenID) func(*talk) event {
	return func(t *talk) event {
		t.ask = screen
		return t.run(&readTable)
	}
}

// another reads the key that was plugged in while a screen was still telling
// what was wrong with the one before.
func another(t *talk) event {
	t.ask = "present/next"
	return t.runFrom(&readTable, stCheck)
}

// accept adds the key that was read to those of the set.
func (t *talk) accept() event {
	switch err := share.Join(t.keys, t.key); {
	case errors.Is(err, share.ErrDifferentSet):
		return evMixed
	case errors.Is(err, share.ErrDuplicate):
		return evTwice
	case err != nil:
		return evUnfit
	}
	t.keys = append(t.keys, t.key)
	t.key = ikey.Contents{}
	if len(t.keys) < int(t.keys[0].M) {
		return evMore
	}
	return evWhole
}

// open opens the secret of the keys that were presented.
func (t *talk) open() event {
	var err error
	if t.secret, err = share.Open(t.keys); err != nil {
		t.err = command.StatusMofNSecretInvalid.With("the iKeys do not open the secret of their keyset", "at least one of them was altered: use others of the keyset")
		return evFailed
	}
	return evDone
}
