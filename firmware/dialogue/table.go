package dialogue

import "usbhsm7/touchscreen"

// state is the name of a state of a dialogue.
type state string

// event is what leads from one state to the next.
type event string

// Events that any dialogue may meet.
const (
	// from a person
	evOK     event = "OK"
	evYes    event = "yes"
	evNo     event = "no"
	evCancel event = "cancel"
	evGiven  event = "entered" // digits or a number
	// from the port
	evKey   event = "iKey" // there is something in the port: it was plugged in, or OK was pressed
	evNoKey event = "no iKey"
	// from the clock and from the host
	evLate   event = "timeout"
	evGone   event = "host cancels"
	evCalled event = "HSM calls" // a dialogue of the HSM waits for the screen
	// from work
	evDone   event = "done"
	evFailed event = "failed"
)

// States in which every dialogue ends. What a dialogue that runs inside another
// ends in is an event there, by the same name.
const (
	endDone   state = "(done)"
	endCancel state = "(cancelled)"
	endLate   state = "(timeout)"
	endGone   state = "(host gone)"
	endFailed state = "(failed)"
	endCalled state = "(HSM calls)" // of the home screen and its menus
)

// ends maps each end to the event that it is for the dialogue around it.
var ends = map[state]event{
	endDone: evDone, endCancel: evCancel, endLate: evLate, endGone: evGone, endFailed: evFailed,
	endCalled: evCalled,
}

// anywhere stands for every state of a dialogue, in a move. A move from the state
// itself comes first.
const anywhere state = "(any)"

// table is a dialogue. It begins in the first of its steps.
type table struct {
	name  string
	about string // for people: what it is for
	steps []step
	moves []move
}

// step is what happens in a state. One that has both a screen and work shows the
// screen and does not wait for an answer to it.
type step struct {
	state state
	show  screenID
	work  func(*talk) event                     // nil: wait for a person
	does  string                                // what the work is, for people
	port  bool                                  // iKeys in the port are an event
	idle  bool                                  // a dialogue of the HSM may end this
	take  func(*talk, touchscreen.Answer) event // makes an event of digits or a number
	items []event                               // of a list: what each item is

	judges bool // what comes of it is said of an iKey that a person presents
}

// move leads from a state to the next.
type move struct {
	from state
	on   event
	to   state
}

// away are the moves with which people and hosts leave a dialogue, and leave those
// of one that works with iKeys.
var (
	away = []move{
		{anywhere, evCancel, endCancel},
		{anywhere, evLate, endLate},
		{anywhere, evGone, endGone},
	}
	leave = append([]move{{anywhere, evFailed, endFailed}}, away...)
)

// step returns the step of a state, and whether there is one.
func (d *table) step(s state) (*step, bool) {
	for i := range d.steps {
		if d.steps[i].state == s {
			return &d.steps[i], true
		}
	}
	return nil, false
}

// next returns where an event leads, and whether it leads anywhere.
func (d *table) next(from state, on event) (state, bool) {
	for _, m := range d.moves {
		if m.on == on && (m.from == from || m.from == anywhere) {
			return m.to, true
		}
	}
	return "", false
}
