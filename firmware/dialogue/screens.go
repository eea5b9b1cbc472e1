package dialogue

import (
	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

// screenID names a screen. Scripts wait for it, so it stays.
type screenID string

const (
	scHome screenID = "home"
	scAsk  screenID = "read/insert" // stands for the screen that the dialogue around asks for a key with
)

// basis says what the wording of a screen rests on.
type basis string

const (
	published basis = "published" // by Thales, for an older PED of the family
	ours      basis = "ours"      // the wording of the real unit is not public
)

// screen is a row of the table of screens. Its texts have words in braces that
// depend on the dialogue; see words.
type screen struct {
	id     screenID
	kind   touchscreen.Kind
	icon   touchscreen.Icon
	title  string
	text   []string
	items  []string
	least  int // number or digits
	most   int
	cancel bool
	basis  basis
}

// Screens returns the IDs of all that the device ever shows, the dark screen included.
func Screens() (ids []string) {
	for _, s := range screens {
		ids = append(ids, string(s.id))
	}
	return append(ids, touchscreen.Dark.ID)
}

// screens are all that the dialogues show.
var screens = []screen{
	{id: scHome, kind: touchscreen.Home, basis: ours},

	{id: "menu/main", kind: touchscreen.List, title: "Menu", items: []string{"iKeys", "Settings", "About"}, cancel: true, basis: ours},
	{id: "menu/ikeys", kind: touchscreen.List, title: "iKeys", items: []string{"Identify an iKey", "Duplicate an iKey", "Change the PIN of an iKey", "Erase an iKey"}, cancel: true, basis: ours},
	{id: "menu/settings", kind: touchscreen.Prompt, title: "Settings", text: []string{"Date and time: {time}", "An iKey action times out after {patience}.", "Host software sets what else there is to set."}, basis: ours},
	{id: "menu/about", kind: touchscreen.Prompt, title: "About", text: []string{"Model {model}", "Serial number {serial}", "Firmware {firmware}", "A simulated device. It protects nothing that is worth stealing.", "Set in the Go fonts (BSD licence). The licences of all parts come with the software."}, basis: ours},

	{id: "confirm", kind: touchscreen.YesNo, title: "{question}", text: []string{"{detail}"}, cancel: true, basis: ours},
	{id: "reveal", kind: touchscreen.Prompt, title: "Challenge secret", text: []string{"For the {subject}. Write it down, it is not shown again:", "{secret}"}, cancel: true, basis: ours},

	{id: "create/reuse", kind: touchscreen.YesNo, title: "Create a keyset", text: []string{"{subject}", "Would you like to reuse an existing keyset?"}, cancel: true, basis: published},
	{id: "create/m", kind: touchscreen.Number, title: "M value", text: []string{"{subject}", "How many iKeys must be presented together?"}, least: 1, most: ikey.MaxKeys, cancel: true, basis: ours},
	{id: "create/n", kind: touchscreen.Number, title: "N value", text: []string{"{subject}", "How many different iKeys are there to be? Any {m} of them are enough."}, least: 1, most: ikey.MaxKeys, cancel: true, basis: ours},
	{id: "create/duplicate", kind: touchscreen.YesNo, title: "Duplicate the keyset", text: []string{"The keyset of the {subject} is written.", "Are you duplicating this keyset?"}, cancel: true, basis: published},

	{id: "write/insert", kind: touchscreen.Prompt, icon: touchscreen.InsertKey, title: "Insert an iKey", text: []string{"iKey {index} of {n} for the {subject}{copy}.", "Sticker: {sticker}."}, cancel: true, basis: ours},
	{id: "write/blank", kind: touchscreen.YesNo, title: "Blank iKey", text: []string{"The iKey is blank. Overwrite?"}, cancel: true, basis: ours},
	{id: "write/used", kind: touchscreen.YesNo, icon: touchscreen.Warning, title: "iKey in use", text: []string{"The iKey is for {holds}. Overwrite?", "What it opens now stays closed unless there is a duplicate."}, cancel: true, basis: ours},
	{id: "write/same", kind: touchscreen.Failure, title: "Already written", text: []string{"The iKey belongs to this keyset already. Insert another one."}, basis: ours},
	{id: "write/pin", kind: touchscreen.PIN, title: "New PIN", text: []string{"{pinrule} for iKey {index} of {n}. Leave it empty for none."}, least: 0, most: ikey.MaxPIN, cancel: true, basis: ours},
	{id: "write/short-pin", kind: touchscreen.Failure, title: "PIN too short", text: []string{"{pinrule}, or nothing."}, basis: ours},
	{id: "write/confirm-pin", kind: touchscreen.PIN, title: "Confirm the PIN", text: []string{"Enter the new PIN again."}, least: ikey.MinPIN, most: ikey.MaxPIN, cancel: true, basis: ours},
	{id: "write/pins-differ", kind: touchscreen.Failure, title: "PINs differ", text: []string{"The two PINs are not the same. Enter it again."}, basis: ours},
	{id: "write/wait", kind: touchscreen.Progress, icon: touchscreen.Identified, title: "Writing", text: []string{"Please wait, and leave the iKey in."}, basis: ours},
	{id: "write/damaged", kind: touchscreen.Failure, title: "iKey damaged", text: []string{"The iKey cannot be written. Insert another one."}, basis: ours},
	{id: "write/pulled", kind: touchscreen.Failure, title: "Pulled out", text: []string{"The iKey was pulled out too early. Insert it again, or another one."}, basis: ours},

	{id: "present/insert", kind: touchscreen.Prompt, icon: touchscreen.InsertKey, title: "Insert an iKey", text: []string{"For the {subject}.", "Sticker: {sticker}."}, cancel: true, basis: ours},
	{id: "present/next", kind: touchscreen.Prompt, icon: touchscreen.InsertKey, title: "Insert the next iKey", text: []string{"For the {subject}: {given} of {m} are read.", "Sticker: {sticker}."}, cancel: true, basis: ours},
	{id: "present/other-set", kind: touchscreen.Failure, title: "Another keyset", text: []string{"The iKey is of another keyset than the first one. It does not count."}, basis: ours},
	{id: "present/same-key", kind: touchscreen.Failure, title: "The same iKey", text: []string{"This iKey, or its duplicate, was presented already. It does not count twice."}, basis: ours},
	{id: "present/unfit", kind: touchscreen.Failure, title: "It does not fit", text: []string{"What is on the iKey contradicts the others of its keyset. It does not count."}, basis: ours},

	{id: "read/none", kind: touchscreen.Failure, title: "No iKey", text: []string{"There is no iKey in the port."}, basis: ours},
	{id: "read/pin", kind: touchscreen.PIN, title: "PIN of the iKey", text: []string{"{tries}."}, least: ikey.MinPIN, most: ikey.MaxPIN, cancel: true, basis: ours},
	{id: "read/wait", kind: touchscreen.Progress, icon: touchscreen.Identified, title: "Reading", text: []string{"Please wait, and leave the iKey in."}, basis: ours},
	{id: "read/wrong-pin", kind: touchscreen.Failure, title: "Wrong PIN", text: []string{"The iKey refuses this PIN. After too many wrong ones it erases itself."}, basis: ours},
	{id: "read/blank", kind: touchscreen.Failure, title: "Blank iKey", text: []string{"There is nothing on this iKey."}, basis: ours},
	{id: "read/other-kind", kind: touchscreen.Failure, title: "Another iKey", text: []string{"The iKey is for {holds}. It is ignored.", "Insert one with this sticker: {sticker}."}, basis: ours},
	{id: "read/other-version", kind: touchscreen.Failure, title: "Another version", text: []string{"The iKey was written by firmware of another version. It is ignored."}, basis: ours},
	{id: "read/not-a-key", kind: touchscreen.Failure, icon: touchscreen.RemoveKey, title: "Not an iKey", text: []string{"What is in the port is no iKey. Take it out."}, basis: ours},
	{id: "read/damaged", kind: touchscreen.Failure, title: "iKey damaged", text: []string{"The iKey cannot be read. Use a duplicate, or another iKey of the keyset."}, basis: ours},
	{id: "read/pulled", kind: touchscreen.Failure, title: "Pulled out", text: []string{"The iKey was pulled out too early. Insert it again."}, basis: ours},

	{id: "identify/insert", kind: touchscreen.Prompt, icon: touchscreen.InsertKey, title: "Insert an iKey", text: []string{"The screen tells what it is for."}, cancel: true, basis: ours},
	{id: "identify/key", kind: touchscreen.Status, icon: touchscreen.Identified, title: "This iKey", text: []string{"For {holds}.", "{pinstate}."}, basis: ours},
	{id: "identify/blank", kind: touchscreen.Status, icon: touchscreen.Identified, title: "This iKey", text: []string{"It is blank."}, basis: ours},

	{id: "duplicate/insert", kind: touchscreen.Prompt, icon: touchscreen.InsertKey, title: "Insert the original", text: []string{"The iKey that is to be duplicated."}, cancel: true, basis: ours},
	{id: "duplicate/done", kind: touchscreen.Status, title: "Duplicated", text: []string{"No device can tell the two iKeys apart."}, basis: ours},

	{id: "pin/insert", kind: touchscreen.Prompt, icon: touchscreen.InsertKey, title: "Insert an iKey", text: []string{"The iKey whose PIN is to be changed."}, cancel: true, basis: ours},
	{id: "pin/done", kind: touchscreen.Status, title: "PIN changed", text: []string{"From now on the iKey wants the new PIN."}, basis: ours},
	{id: "erase/insert", kind: touchscreen.Prompt, icon: touchscreen.InsertKey, title: "Insert an iKey", text: []string{"The iKey that is to be blank."}, cancel: true, basis: ours},
	{id: "erase/sure", kind: touchscreen.YesNo, icon: touchscreen.Warning, title: "Erase the iKey", text: []string{"The iKey is for {holds}. Erase it?", "What it opens stays closed unless there is a duplicate."}, cancel: true, basis: ours},
	{id: "erase/wait", kind: touchscreen.Progress, title: "Erasing", text: []string{"Please wait, and leave the iKey in."}, basis: ours},
	{id: "erase/done", kind: touchscreen.Status, title: "Erased", text: []string{"The iKey is blank."}, basis: ours},

	{id: "pin/removed", kind: touchscreen.Status, title: "PIN removed", text: []string{"From now on the iKey wants no PIN."}, basis: ours},
}
