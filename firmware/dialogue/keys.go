package dialogue

import (
	"bytes"
	"slices"

	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

const (
	stTell     state = "tell"
	stSource   state = "original"
	stTarget   state = "duplicate"
	stFinished state = "finished"
	stOld      state = "old PIN"
	stSet      state = "set the PIN"
	stNoMore   state = "no PIN any more"
	stSure     state = "sure?"
)

// identifyTable tells what is on a key.
var identifyTable = withKey(table{
	name:  "identify",
	about: "From the menu: tells what an iKey is for.",
	steps: []step{
		{state: stCheck, work: (*talk).checkKind, does: "ask the iKey what it is"},
		{state: stTell, show: "identify/key", port: true},
		{state: stBlank, show: "identify/blank", port: true},
	},
	moves: []move{
		{stCheck, evBlank, stBlank},
		{stCheck, evPIN, stTell},
		{stCheck, evOpen, stTell},
		{stTell, evOK, endDone},
		{stTell, evKey, stCheck},
		{stBlank, evOK, endDone},
		{stBlank, evKey, stCheck},
	},
}, keyScreens{insert: "identify/insert", damaged: "read/damaged", pulled: "read/pulled"})

// duplicateTable copies a key.
var duplicateTable = table{
	name:  "duplicate",
	about: "From the menu: copies an iKey to another one.",
	steps: []step{
		{state: stSource, work: asking("duplicate/insert"), does: "the dialogue read"},
		{state: stTarget, work: (*talk).copyKey, does: "the dialogue write"},
		{state: stFinished, show: "duplicate/done"},
	},
	moves: append([]move{
		{stSource, evDone, stTarget},
		{stTarget, evDone, stFinished},
		{stFinished, evOK, endDone},
	}, leave...),
}

// copyKey writes the key that was read to another one.
func (t *talk) copyKey() event {
	t.keys, t.key = []ikey.Contents{t.key}, ikey.Contents{}
	t.at, t.n, t.copies, t.kind = 0, 1, 1, t.keys[0].Kind
	return t.run(&writeTable)
}

// changeTable changes the PIN of a key.
var changeTable = withKey(table{
	name:  "change PIN",
	about: "From the menu: sets, changes or removes the PIN of an iKey. A duplicate keeps its own.",
	steps: slices.Concat([]step{
		{state: stCheck, work: (*talk).checkKind, does: "ask the iKey what it is"},
		{state: stOld, show: "read/pin", take: (*talk).takeOldPIN},
	}, newPIN, []step{
		{state: stSet, show: "write/wait", work: (*talk).changePIN, does: "have the iKey change its PIN"},
		{state: stWrong, show: "read/wrong-pin", port: true},
		{state: stFinished, show: "pin/done"},
		{state: stNoMore, show: "pin/removed"},
		{state: stBlank, show: "read/blank", port: true},
	}),
	moves: slices.Concat([]move{
		{stCheck, evBlank, stBlank},
		{stCheck, evPIN, stOld},
		{stCheck, evOpen, stNewPIN},
		{stOld, evGiven, stNewPIN},
	}, withNewPIN(stSet), []move{
		{stSet, evDone, stFinished},
		{stSet, evNoPIN, stNoMore},
		{stSet, evWrong, stWrong},
		{stSet, evBlank, stBlank},
		{stSet, evNoKey, stPulled},
		{stWrong, evOK, stCheck},
		{stWrong, evKey, stCheck},
		{stFinished, evOK, endDone},
		{stNoMore, evOK, endDone},
	}),
}, keyScreens{insert: "pin/insert", damaged: "read/damaged", pulled: "read/pulled"}, stBlank)

func (t *talk) takeOldPIN(a touchscreen.Answer) event {
	clear(t.old)
	t.old = bytes.Clone(a.Digits)
	return evGiven
}

// changePIN has the key in the port change its PIN.
func (t *talk) changePIN() event {
	none := len(t.pin) == 0
	err := t.reader.ChangePIN(t.ctx, t.old, t.pin)
	t.forgetPINs()
	switch {
	case err != nil:
		return t.mishap(err)
	case none:
		return evNoPIN
	}
	return evDone
}

// eraseTable makes a key blank.
var eraseTable = withKey(table{
	name:  "erase",
	about: "From the menu: makes an iKey blank, whatever its PIN. Who holds an iKey can destroy it anyway.",
	steps: []step{
		{state: stCheck, work: (*talk).checkKind, does: "ask the iKey what it is"},
		{state: stSure, show: "erase/sure"},
		{state: stErase, show: "erase/wait", work: (*talk).erase, does: "have the iKey erase itself"},
		{state: stFinished, show: "erase/done"},
		{state: stBlank, show: "read/blank", port: true},
	},
	moves: []move{
		{stCheck, evBlank, stBlank},
		{stCheck, evPIN, stSure},
		{stCheck, evOpen, stSure},
		{stSure, evYes, stErase},
		{stSure, evNo, stInsert},
		{stErase, evDone, stFinished},
		{stErase, evNoKey, stPulled},
		{stFinished, evOK, endDone},
	},
}, keyScreens{insert: "erase/insert", damaged: "write/damaged", pulled: "read/pulled"}, stBlank)

// erase makes the key in the port blank.
func (t *talk) erase() event {
	if err := t.reader.Erase(t.ctx); err != nil {
		return t.mishap(err)
	}
	return evDone
}
