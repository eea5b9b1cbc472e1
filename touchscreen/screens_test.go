package touchscreen_test

import (
	"strings"
	"time"

	"usbhsm7/touchscreen"
)

// now is the device time of the tests.
var now = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

func clock() time.Time { return now }

// A shown screen is one of which there is a golden picture, after some keys.
type shown struct {
	name   string
	screen touchscreen.Screen
	keys   []string
	held   [2]int // pixel under a finger; zero: none
}

var unit = touchscreen.Unit{
	Model: "USB HSM 7", Label: "Root CA 2026", Serial: "7001234", Firmware: "7.9.2",
	State: "Ready",
}

var (
	longest  = "Longest label of thirty-two byte"
	sentence = "Every custodian is in the room, has shown a passport to the notary, and has signed the sheet."
)

func unitWith(change func(*touchscreen.Unit)) touchscreen.Unit {
	u := unit
	change(&u)
	return u
}

func items(n int, text string) []string {
	var out []string
	for range n {
		out = append(out, text)
	}
	return out
}

var gallery = []shown{
	{name: "home", screen: touchscreen.Screen{Kind: touchscreen.Home, Unit: unit}},
	{name: "home-empty", screen: touchscreen.Screen{}},
	{name: "off", screen: touchscreen.Screen{Kind: touchscreen.Off}},
	{name: "home-new", screen: touchscreen.Screen{Kind: touchscreen.Home, Unit: unitWith(func(u *touchscreen.Unit) {
		u.Label, u.State = "", "Not initialised"
	})}},
	{name: "home-tampered", screen: touchscreen.Screen{Kind: touchscreen.Home, Unit: unitWith(func(u *touchscreen.Unit) {
		u.Label, u.State = longest, "Locked until the HSM SO clears the tamper event"
		u.Banner = "Tamper event: the enclosure was opened at 09:12 on 1 March 2026"
	})}},
	{name: "list", screen: touchscreen.Screen{
		Kind: touchscreen.List, Title: "Menu",
		Items: []string{"iKey management", "Device information", "Settings", "About"},
	}, keys: []string{"ArrowDown", "ArrowDown"}},
	{name: "list-16", screen: touchscreen.Screen{
		Kind: touchscreen.List, Title: "Which key?", Text: []string{"Choose the key that is to be copied."},
		Items: append(items(15, "Crypto Officer, key 3 of 16"), "The last of sixteen keys, with a name so long that it needs two lines and does not even then fit"),
	}, keys: []string{"PageDown"}},
	{name: "list-16-end", screen: touchscreen.Screen{
		Kind: touchscreen.List, Title: "Which key?", Text: []string{"Choose the key that is to be copied."},
		Items: append(items(15, "Crypto Officer, key 3 of 16"), "The last of sixteen keys, with a name so long that it needs two lines and does not even then fit"),
	}, keys: []string{"ArrowUp"}},
	{name: "insert", screen: touchscreen.Screen{
		Kind: touchscreen.Prompt, Icon: touchscreen.InsertKey, Sticker: touchscreen.Blue, Title: "Insert a blue iKey", Cancel: true, Until: now.Add(107 * time.Second),
		Text: []string{"HSM SO: key 2 of 3 that open the keyset of 5.", "Press OK when it is in the port."},
	}},
	{name: "remove", screen: touchscreen.Screen{
		Kind: touchscreen.Prompt, Icon: touchscreen.RemoveKey, Sticker: touchscreen.Red, Title: "Pull the iKey out",
		Text: []string{"Put a sticker on it that says key 2 of 5."},
	}},
	{name: "prompt", screen: touchscreen.Screen{
		Kind: touchscreen.Prompt, Title: "Remote PED vector", Cancel: true,
		Text: []string{"You are about to make a new vector. Keys that were made with the one before no longer connect."},
	}, held: [2]int{240, 740}},
	{name: "prompt-longest", screen: touchscreen.Screen{
		Kind: touchscreen.Prompt, Icon: touchscreen.InsertKey, Title: "A title of one line that is far too long for one line, and for two as well", Cancel: true,
		Text: items(9, sentence),
	}},
	{name: "identified", screen: touchscreen.Screen{
		Kind: touchscreen.Status, Icon: touchscreen.Identified, Sticker: touchscreen.Black, Title: "Crypto Officer",
		Text: []string{"Key 2 of 5; any 3 open the keyset.", "A PIN is set. 10 tries are left."},
	}},
	{name: "pin-empty", screen: touchscreen.Screen{
		Kind: touchscreen.PIN, Title: "New PIN", Text: []string{"For this iKey. Leave it empty for none."}, Min: 0, Max: 48, Cancel: true,
	}},
	{name: "pin-typed", screen: touchscreen.Screen{
		Kind: touchscreen.PIN, Title: "PIN of the iKey", Text: []string{"HSM SO, key 1 of 3"}, Min: 4, Max: 48, Cancel: true, Until: now.Add(9 * time.Second),
	}, keys: strings.Split("123456", "")},
	{name: "pin-full", screen: touchscreen.Screen{
		Kind: touchscreen.PIN, Title: "PIN of the iKey", Min: 4, Max: 48,
	}, keys: strings.Split(strings.Repeat("7", 50), "")},
	{name: "question", screen: touchscreen.Screen{
		Kind: touchscreen.YesNo, Title: "Reuse an existing keyset?", Cancel: true, Until: now.Add(2 * time.Minute),
		Text: []string{"Yes: the keys of another role or device open this one too.", "No: new keys are made."},
	}, keys: []string{"Tab", "Tab"}},
	{name: "overwrite", screen: touchscreen.Screen{
		Kind: touchscreen.YesNo, Icon: touchscreen.Warning, Title: "Overwrite this iKey?", Cancel: true,
		Text: []string{"It is a key of the HSM SO. What is on it will be lost."},
	}},
	{name: "number", screen: touchscreen.Screen{
		Kind: touchscreen.Number, Title: "How many keys open it?", Min: 1, Max: 16, Value: 3, Cancel: true,
		Text: []string{"M: so many different keys of the set are needed each time."},
	}},
	{name: "number-greatest", screen: touchscreen.Screen{
		Kind: touchscreen.Number, Title: "How many keys are made?", Min: 3, Max: 16, Value: 16, Cancel: true,
	}},
	{name: "progress", screen: touchscreen.Screen{
		Kind: touchscreen.Progress, Icon: touchscreen.Identified, Title: "Writing the iKey", Text: []string{"Do not pull it out."}, Value: 43,
	}},
	{name: "progress-start", screen: touchscreen.Screen{Kind: touchscreen.Progress, Title: "Installing firmware 7.9.3"}},
	{name: "status", screen: touchscreen.Screen{
		Kind: touchscreen.Status, Title: "The keyset is complete", Text: []string{"5 keys were written. Any 3 of them log the HSM SO in."},
	}},
	{name: "failure", screen: touchscreen.Screen{
		Kind: touchscreen.Failure, Title: "Wrong PIN", Text: []string{"2 tries are left. After that the iKey erases itself."},
	}},
}
