package dialogue

const (
	stHome     state = "home"
	stMenu     state = "menu"
	stKeys     state = "iKeys"
	stSettings state = "settings"
	stAbout    state = "about"
	stIdentify state = "identify"
	stCopy     state = "duplicate"
	stChange   state = "change PIN"
	stErase    state = "erase"

	evKeys     event = "“iKeys”"
	evSettings event = "“Settings”"
	evAbout    event = "“About”"
	evIdentify event = "“Identify”"
	evCopy     event = "“Duplicate”"
	evChange   event = "“Change the PIN”"
	evErase    event = "“Erase”"
)

// homeTable is what the screen shows when the HSM asks for nothing. It gives way
// when the HSM does, but not in the middle of work with an iKey.
var homeTable = table{
	name:  "home",
	about: "The home screen and its menus. They give way to the HSM's dialogues; work with an iKey does not.",
	steps: []step{
		{state: stHome, show: scHome, idle: true},
		{state: stMenu, show: "menu/main", idle: true, items: []event{evKeys, evSettings, evAbout}},
		{state: stKeys, show: "menu/ikeys", idle: true, items: []event{evIdentify, evCopy, evChange, evErase}},
		{state: stSettings, show: "menu/settings", idle: true},
		{state: stAbout, show: "menu/about", idle: true},
		{state: stIdentify, work: own(&identifyTable), does: "the dialogue identify"},
		{state: stCopy, work: own(&duplicateTable), does: "the dialogue duplicate"},
		{state: stChange, work: own(&changeTable), does: "the dialogue change PIN"},
		{state: stErase, work: own(&eraseTable), does: "the dialogue erase"},
	},
	moves: []move{
		{stHome, evOK, stMenu},
		{stMenu, evKeys, stKeys},
		{stMenu, evSettings, stSettings},
		{stMenu, evAbout, stAbout},
		{stMenu, evCancel, stHome},
		{stKeys, evIdentify, stIdentify},
		{stKeys, evCopy, stCopy},
		{stKeys, evChange, stChange},
		{stKeys, evErase, stErase},
		{stKeys, evCancel, stMenu},
		{stSettings, evOK, stMenu},
		{stAbout, evOK, stMenu},
		{anywhere, evDone, stKeys},
		{anywhere, evCancel, stKeys},
		{anywhere, evFailed, stKeys},
		{anywhere, evLate, stHome},
		{anywhere, evGone, endGone},
		{anywhere, evCalled, endCalled},
	},
}

// own returns the work of a dialogue that a person begins, with a memory of its own.
func own(d *table) func(*talk) event {
	return func(t *talk) event {
		inner := talk{Desk: t.Desk, ctx: t.ctx}
		defer inner.wipe()
		return inner.run(d)
	}
}
