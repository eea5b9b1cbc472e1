package dialogue_test

import (
	"errors"
	"slices"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/firmware/hsm"
	"usbhsm7/ikey"
)

// conversations are all of them.
func conversations() []conversation {
	return slices.Concat(presenting, creating, asking, menus, tellings())
}

var presenting = []conversation{
	{
		"the key is in the port already", present(so), func(p *dialoguetest.Port) { _ = p.Insert("blue-1") },
		"when present/insert: ok",
		[]string{"present/insert", "read/wait"},
		command.StatusOK,
	},
	{
		"a wrong PIN, then the right one", present(so), locked("blue-1"),
		"when present/insert: insert blue-1\nonce read/pin: type 654321\nwhen read/wrong-pin: ok\nwhen read/pin \"9 tries\": type 123456",
		[]string{"present/insert", "read/pin", "read/wait", "read/wrong-pin", "read/pin", "read/wait"},
		command.StatusOK,
	},
	{
		"the key is exchanged while the screen tells of the wrong PIN", present(domain), locked("red-1"),
		"when present/insert: insert red-1\nwhen read/pin: type 654321\nwhen read/wrong-pin: insert blue-1\nwhen read/other-kind: wait",
		[]string{"present/insert", "read/pin", "read/wait", "read/wrong-pin", "read/other-kind"},
		command.StatusVectorTypeInvalid,
	},
	{
		"the key is pulled out while the screen tells of the wrong PIN", present(so), locked("blue-1"),
		"when present/insert: insert blue-1\nonce read/pin: type 654321\nwhen read/wrong-pin: remove, ok\nwhen read/pin: type 123456",
		[]string{"present/insert", "read/pin", "read/wait", "read/wrong-pin", "present/insert", "read/pin", "read/wait"},
		command.StatusOK,
	},
	{
		"the key is pulled out while its PIN is typed", present(so), locked("blue-1"),
		"when present/insert: insert blue-1\nonce read/pin: remove, type 123456\nwhen read/pulled: insert blue-1\nwhen read/pin: type 123456",
		[]string{"present/insert", "read/pin", "read/wait", "read/pulled", "read/pin", "read/wait"},
		command.StatusOK,
	},
	{
		"the key is exchanged while its PIN is typed", present(so), locked("blue-1"),
		"when present/insert: insert blue-1\nonce read/pin: insert white, type 123456\nwhen read/blank: insert blue-1\nwhen read/pin: type 123456",
		[]string{"present/insert", "read/pin", "read/wait", "read/blank", "read/pin", "read/wait"},
		command.StatusOK,
	},
	{
		"so many wrong PINs that the key erases itself", present(so),
		on("blue-1", func(k *dialoguetest.Key) { k.PIN, k.Tries = "123456", 1 }),
		"when present/insert: insert blue-1\nwhen read/pin \"last try\": type 654321\nwhen read/wrong-pin: ok\nwhen read/blank: wait",
		[]string{"present/insert", "read/pin", "read/wait", "read/wrong-pin", "read/blank"},
		command.StatusTimeout,
	},
	{
		"nobody is there", present(so), nil, "when present/insert: wait",
		[]string{"present/insert"},
		command.StatusTimeout,
	},
	{
		"two of three, and what does not count", present(co), nil,
		`when present/insert: insert black-1
once present/next: insert grey-1
when present/other-set: insert black-1
when present/same-key: ok
when present/next: insert black-3`,
		[]string{"present/insert", "read/wait", "present/next", "read/wait", "present/other-set", "read/wait", "present/same-key", "present/next", "read/wait"},
		command.StatusOK,
	},
	{
		"two of three, and what does not count, told and waved away", present(co), nil,
		`when present/insert: insert black-1
once present/next: insert black-1
when present/same-key: insert grey-1
when present/other-set: ok
when present/next: insert black-2`,
		[]string{"present/insert", "read/wait", "present/next", "read/wait", "present/same-key", "read/wait", "present/other-set", "present/next", "read/wait"},
		command.StatusOK,
	},
	{
		"a key that contradicts its keyset", present(co), on("black-2", func(k *dialoguetest.Key) { k.Contents.M = 3 }),
		"when present/insert: insert black-1\nonce present/next: insert black-2\nonce present/unfit: ok\nonce present/next: insert black-2\nwhen present/unfit: insert black-3",
		[]string{"present/insert", "read/wait", "present/next", "read/wait", "present/unfit", "present/next", "read/wait", "present/unfit", "read/wait"},
		command.StatusOK,
	},
	{
		"a key of another version, told and waved away, and again", present(so), on("bad", func(k *dialoguetest.Key) {
			k.Contents, k.Unread = ikey.Contents{Kind: ikey.SO}, ikey.ErrVersion
		}),
		"once present/insert: insert bad\nonce read/other-version: ok\nonce present/insert: insert bad\nwhen read/other-version: insert blue-1",
		[]string{"present/insert", "read/wait", "read/other-version", "present/insert", "read/wait", "read/other-version", "read/wait"},
		command.StatusOK,
	},
	{
		"fewer than open it", present(co), nil,
		"when present/insert: insert black-1\nwhen present/next: wait",
		[]string{"present/insert", "read/wait", "present/next"},
		command.StatusMissingSplits,
	},
	{
		"a share that was altered", present(co), on("black-2", func(k *dialoguetest.Key) { k.Contents.Share[0] ^= 1 }),
		"when present/insert: insert black-1\nwhen present/next: insert black-2",
		[]string{"present/insert", "read/wait", "present/next", "read/wait"},
		command.StatusMofNSecretInvalid,
	},
	{
		"the port fails", present(so), on("white", func(k *dialoguetest.Key) { k.Fault = errPort }),
		"when present/insert: insert white",
		[]string{"present/insert"},
		command.StatusPEDError,
	},
}

var errPort = errors.New("the port is on fire")

var creating = []conversation{
	{
		"an existing keyset is taken", create(domain), nil,
		"when create/reuse: yes\nwhen present/insert: insert red-1",
		[]string{"create/reuse", "present/insert", "read/wait"},
		command.StatusOK,
	},
	{
		"two of two with PINs, and duplicates", create(so), nil,
		`key a
key b
key c
key d
when create/reuse: no
when create/m: number 2
when create/n: number 2
once write/insert "iKey 1 of 2": insert a
once write/insert "iKey 2 of 2": insert b
once create/duplicate: yes
when write/insert "iKey 1 of 2": insert c
when write/insert "iKey 2 of 2": insert d
when write/blank: yes
when write/pin: type 1234
when write/confirm-pin: type 1234
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/blank", "write/pin", "write/confirm-pin", "write/wait",
			"write/insert", "write/blank", "write/pin", "write/confirm-pin", "write/wait", "create/duplicate",
			"write/insert", "write/blank", "write/pin", "write/confirm-pin", "write/wait",
			"write/insert", "write/blank", "write/pin", "write/confirm-pin", "write/wait", "create/duplicate",
		},
		command.StatusOK,
	},
	{
		"PINs that are too short or differ", create(so), nil,
		begin + `when write/insert: insert white
when write/blank: yes
once write/pin: type 12
when write/short-pin: ok
once write/confirm-pin: type 4321
when write/pins-differ: ok
when write/pin: type 1234
when write/confirm-pin: type 1234
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/blank", "write/pin", "write/short-pin", "write/pin", "write/confirm-pin",
			"write/pins-differ", "write/pin", "write/confirm-pin", "write/wait", "create/duplicate",
		},
		command.StatusOK,
	},
	{
		"second thoughts about what is overwritten", create(so), nil,
		begin + `once write/insert: insert red-1
once write/used "Domain": no
once write/insert: insert white
once write/blank: no
once write/insert: insert red-1
when write/used: yes
when write/pin: ok
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/used", "write/insert", "write/blank", "write/insert", "write/used",
			"write/pin", "write/wait", "create/duplicate",
		},
		command.StatusOK,
	},
	{
		"the key is pulled out while its PIN is typed, and put back", create(so), nil,
		begin + `when write/insert: insert white
when write/blank: yes
once write/pin: remove, ok
when write/pulled: insert white
when write/pin: ok
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/blank", "write/pin", "write/wait", "write/pulled", "write/blank", "write/pin", "write/wait",
			"create/duplicate",
		},
		command.StatusOK,
	},
	{
		"the key is pulled out when it is written and before it is read back", create(so), on("white", func(k *dialoguetest.Key) { k.Pull = 4 }),
		begin + `when write/insert: insert white
when write/blank: yes
when write/pin: ok
when write/pulled: insert white
when write/used: yes
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/blank", "write/pin", "write/wait", "write/pulled", "write/used", "write/pin", "write/wait",
			"create/duplicate",
		},
		command.StatusOK,
	},
	{
		"the key is exchanged when it is written and before it is read back", create(so), on("white", func(k *dialoguetest.Key) {
			k.Gone, k.Instead = 4, &dialoguetest.Key{Tries: ikey.MaxTries}
		}),
		begin + `when write/insert: insert white
when write/blank: yes
when write/pin: ok
when write/pulled: insert white
when write/used: yes
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/blank", "write/pin", "write/wait", "write/pulled", "write/used", "write/pin", "write/wait",
			"create/duplicate",
		},
		command.StatusOK,
	},
	{
		"a worn key", create(so), on("white", func(k *dialoguetest.Key) { k.Worn = true }),
		begin + `when write/insert: insert white
when write/blank: yes
when write/pin: ok
when write/damaged: insert spare
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/blank", "write/pin", "write/wait", "write/damaged", "write/blank", "write/pin", "write/wait",
			"create/duplicate",
		},
		command.StatusOK,
	},
	{
		"the same key twice", create(so), nil,
		`when create/reuse: no
when create/m: number 1
when create/n: number 2
once write/insert "iKey 1 of 2": insert white
once write/insert "iKey 2 of 2": ok
once write/same: ok
once write/insert "iKey 2 of 2": insert white
when write/same: insert spare
when write/blank: yes
when write/pin: ok
when create/duplicate: no`,
		[]string{
			"create/reuse", "create/m", "create/n", "write/insert", "write/blank", "write/pin", "write/wait",
			"write/insert", "write/same", "write/insert", "write/same", "write/blank", "write/pin", "write/wait", "create/duplicate",
		},
		command.StatusOK,
	},
	{
		"M of N is not allowed", create(hsm.Subject{Secret: hsm.SecretRole, Role: command.RoleSO, Label: "demo", Single: true}), nil,
		`when create/reuse: no
when write/insert "iKey 1 of 1": insert white
when write/blank: yes
when write/pin: ok
when create/duplicate: no`,
		[]string{"create/reuse", "write/insert", "write/blank", "write/pin", "write/wait", "create/duplicate"},
		command.StatusOK,
	},
	{
		"the port fails while a keyset is made", create(so), on("white", func(k *dialoguetest.Key) { k.Fault = errPort }),
		begin + "when write/insert: insert white",
		[]string{"create/reuse", "create/m", "create/n", "write/insert"},
		command.StatusPEDError,
	},
}

// begin leads to the first iKey of a keyset of one.
const begin = "when create/reuse: no\nwhen create/m: number 1\nwhen create/n: number 1\n"

var asking = []conversation{
	{"allowed", confirm, nil, "when confirm \"Install the firmware?\": yes", []string{"confirm"}, command.StatusOK},
	{"not allowed", confirm, nil, "when confirm: no", []string{"confirm"}, command.StatusFunctionCanceled},
	{"a secret is noted", reveal, nil, "when reveal \"AAAA-BBBB\": ok", []string{"reveal"}, command.StatusOK},
	{"a secret that nobody wants", reveal, nil, "when reveal: cancel", []string{"reveal"}, command.StatusFunctionCanceled},
}

// out leads from the menus to the home screen.
const out = "\nwhen menu/ikeys: cancel\nwhen menu/main: cancel\n"

var menus = []conversation{
	{
		"every page of the menu", nil, nil,
		"once home: ok\nonce menu/main: choose 2\nwhen menu/settings: ok\nonce menu/main: choose 3\nwhen menu/about: ok\nonce menu/main: choose 1" + out,
		[]string{"menu/main", "menu/settings", "menu/main", "menu/about", "menu/main", "menu/ikeys", "menu/main"},
		0,
	},
	{
		"keys are identified", nil, locked("red-1"),
		`once home: ok
once menu/main: choose 1
once menu/ikeys: choose 1
once menu/ikeys: choose 1
once menu/ikeys: choose 1
once identify/insert: insert blue-1
once identify/key "HSM SO": insert white
once identify/blank: insert red-1
once identify/key "Domain": ok
once identify/insert: insert white
when identify/blank: ok
when identify/insert: cancel` + out,
		[]string{
			"menu/main", "menu/ikeys", "identify/insert", "identify/key", "identify/blank", "identify/key", "menu/ikeys",
			"identify/insert", "identify/blank", "menu/ikeys", "identify/insert", "menu/ikeys", "menu/main",
		},
		0,
	},
	{
		"a key is duplicated", nil, locked("blue-1"),
		`once home: ok
once menu/main: choose 1
once menu/ikeys: choose 2
when duplicate/insert: insert blue-1
when read/pin: type 123456
when write/insert: insert white
when write/blank: yes
when write/pin: ok
when duplicate/done: ok` + out,
		[]string{
			"menu/main", "menu/ikeys", "duplicate/insert", "read/pin", "read/wait", "write/insert", "write/blank", "write/pin", "write/wait", "duplicate/done",
			"menu/ikeys", "menu/main",
		},
		0,
	},
	{
		"a PIN is set, changed and removed", nil, nil,
		`once home: ok
once menu/main: choose 1
once menu/ikeys: choose 3
once menu/ikeys: choose 3
once menu/ikeys: choose 3
when pin/insert: insert blue-1
once write/pin: type 1234
once write/confirm-pin: type 1234
once read/pin: type 1111
once read/wrong-pin: ok
once read/pin: type 1234
once write/pin: type 12
when write/short-pin: ok
once write/pin: type 5678
once write/confirm-pin: type 8765
when write/pins-differ: ok
once write/pin: type 5678
once write/confirm-pin: type 5678
when read/pin: type 5678
when write/pin: ok
when pin/done: ok
when pin/removed: ok` + out,
		[]string{
			"menu/main", "menu/ikeys", "pin/insert", "write/pin", "write/confirm-pin", "write/wait", "pin/done",
			"menu/ikeys", "pin/insert", "read/pin", "write/pin", "write/short-pin", "write/pin", "write/confirm-pin", "write/pins-differ",
			"write/pin", "write/confirm-pin", "write/wait", "read/wrong-pin", "read/pin", "write/pin", "write/wait", "pin/removed",
			"menu/ikeys", "pin/insert", "write/pin", "write/wait", "pin/removed",
			"menu/ikeys", "menu/main",
		},
		0,
	},
	{
		"a key is erased, and second thoughts about another", nil, locked("blue-1"),
		`once home: ok
once menu/main: choose 1
once menu/ikeys: choose 4
once erase/insert: insert red-1
once erase/sure "Domain": no
once erase/insert: insert blue-1
once erase/sure "HSM SO": remove, yes
once read/pulled: insert blue-1
once erase/sure "HSM SO": yes
when erase/done: ok
once menu/ikeys: choose 1
once identify/insert: ok
when identify/blank: ok` + out,
		[]string{
			"menu/main", "menu/ikeys", "erase/insert", "erase/sure", "erase/insert", "erase/sure", "erase/wait", "read/pulled", "erase/sure", "erase/wait", "erase/done",
			"menu/ikeys", "identify/insert", "identify/blank", "menu/ikeys", "menu/main",
		},
		0,
	},
	{
		"the port fails for a menu", nil, on("white", func(k *dialoguetest.Key) { k.Fault = errPort }),
		"once home: ok\nonce menu/main: choose 1\nonce menu/ikeys: choose 1\nonce menu/ikeys: choose 2\nonce menu/ikeys: choose 3\nonce menu/ikeys: choose 4\nwhen erase/insert: insert white\nwhen identify/insert: insert white\nwhen duplicate/insert: insert white\nwhen pin/insert: insert white" + out,
		[]string{"menu/main", "menu/ikeys", "identify/insert", "menu/ikeys", "duplicate/insert", "menu/ikeys", "pin/insert", "menu/ikeys", "erase/insert", "menu/ikeys", "menu/main"},
		0,
	},
	{
		"the key of a PIN that is changed is exchanged or pulled out", nil, locked("blue-1"),
		`once home: ok
once menu/main: choose 1
once menu/ikeys: choose 3
when pin/insert: insert blue-1
when read/pin: type 123456
once write/pin: insert white, ok
when read/blank: insert blue-1
once write/pin: remove, ok
when read/pulled: insert red-1
once write/pin: insert blue-1, ok
once read/wrong-pin: insert red-1
once write/pin: ok
when pin/removed: ok` + out,
		[]string{
			"menu/main", "menu/ikeys", "pin/insert", "read/pin", "write/pin", "write/wait", "read/blank", "read/pin", "write/pin", "write/wait", "read/pulled",
			"write/pin", "write/wait", "read/wrong-pin", "write/pin", "write/wait", "pin/removed", "menu/ikeys", "menu/main",
		},
		0,
	},
}

// tellings are conversations in which the screen tells of a key that is of no use,
// for each dialogue that asks for one: the person waves it away, or exchanges the
// key at once.
func tellings() (all []conversation) {
	for _, place := range []struct {
		name   string
		about  conversation // with a good key
		insert string       // asks for a key
		good   string       // a key that goes on from there
		wants  []string     // what the dialogue tells of
	}{
		{"present", conversation{hold: present(so)}, "present/insert", "blue-1", []string{"none", "blank", "other-kind", "not-a-key", "damaged", "pulled", "gone"}},
		{"create", conversation{hold: create(so), script: begin + "when write/blank: yes\nwhen write/pin: ok\nwhen create/duplicate: no\n"}, "write/insert", "white", []string{"none", "not-a-key", "damaged", "pulled", "gone"}},
		{"identify", conversation{script: "once home: ok\nonce menu/main: choose 1\nonce menu/ikeys: choose 1\nwhen identify/key: ok" + out}, "identify/insert", "blue-1", []string{"none", "not-a-key", "damaged", "pulled", "gone"}},
		{"change PIN", conversation{script: "once home: ok\nonce menu/main: choose 1\nonce menu/ikeys: choose 3\nwhen write/pin: ok\nwhen pin/removed: ok" + out}, "pin/insert", "blue-1", []string{"none", "blank", "not-a-key", "damaged", "pulled", "gone"}},
		{"erase", conversation{script: "once home: ok\nonce menu/main: choose 1\nonce menu/ikeys: choose 4\nwhen erase/sure: yes\nwhen erase/done: ok" + out}, "erase/insert", "blue-1", []string{"none", "blank", "not-a-key", "damaged", "pulled", "gone"}},
	} {
		for _, trouble := range place.wants {
			for _, reaction := range []string{"ok", "insert " + place.good} {
				all = append(all, telling(place.about, place.name, place.insert, place.good, trouble, reaction))
			}
		}
	}
	return all
}

// troubles are what may be the matter with the key bad: how it comes to that, and
// what the person does with it.
var troubles = map[string]struct {
	change func(*dialoguetest.Key)
	do     string
}{
	"none":       {func(*dialoguetest.Key) {}, "ok"},
	"blank":      {func(*dialoguetest.Key) {}, "insert bad"},
	"other-kind": {func(k *dialoguetest.Key) { k.Contents.Kind = ikey.Auditor }, "insert bad"},
	"not-a-key":  {func(k *dialoguetest.Key) { k.Fault = ikey.ErrNotAKey }, "insert bad"},
	"damaged":    {func(k *dialoguetest.Key) { k.Fault = ikey.ErrDamaged }, "insert bad"},
	"pulled":     {func(k *dialoguetest.Key) { k.Pull = 2 }, "insert bad"},
	"gone":       {func(k *dialoguetest.Key) { k.Gone = 2 }, "insert bad"},
}

// telling is about with a useless key before the good one.
func telling(about conversation, name, insert, good, trouble, reaction string) conversation {
	c := about
	c.name = name + ": " + trouble + ", then " + reaction
	c.prepare = on("bad", troubles[trouble].change)
	told := "read/" + trouble
	if name == "erase" && trouble == "damaged" {
		told = "write/damaged"
	}
	if name == "create" && trouble != "none" && trouble != "not-a-key" {
		told = "write/" + trouble
	}
	if trouble == "gone" {
		told = insert // it is just asked for again
	}
	c.script = "once " + insert + ": " + troubles[trouble].do + "\n"
	if told != insert {
		c.script += "when " + told + ": " + reaction + "\n"
	}
	c.script += "when " + insert + ": insert " + good + "\n" + about.script
	c.shows = []string{insert, told}
	if told != insert && reaction == "ok" {
		c.shows = append(c.shows, insert)
	}
	c.shows = append(c.shows, map[string][]string{
		"present":    {"read/wait"},
		"create":     {"write/blank", "write/pin", "write/wait", "create/duplicate"},
		"identify":   {"identify/key", "menu/ikeys", "menu/main"},
		"erase":      {"erase/sure", "erase/wait", "erase/done", "menu/ikeys", "menu/main"},
		"change PIN": {"write/pin", "write/wait", "pin/removed", "menu/ikeys", "menu/main"},
	}[name]...)
	return c
}
