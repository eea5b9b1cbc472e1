package touchscreen

import "slices"

// entry is what a person has done on a screen before answering it.
type entry struct {
	digits  []byte // typed so far
	number  int    // shown by a stepper
	top     int    // first item of a list that is shown
	focus   act    // what the Enter key would do; zero: nothing was chosen with the keyboard
	held    act    // what the finger came down on; zero: nothing
	pressed act    // held, where the picture may show it
}

// enter returns the entry of a person who has done nothing on s yet.
func enter(s Screen) entry {
	e := entry{}
	if s.Kind == Number {
		e.number = min(max(s.Value, s.Min), s.Max)
	}
	if s.Kind == PIN && s.Max > 0 {
		e.digits = make([]byte, 0, min(s.Max, MaxDigits)) // never grows, so that no copy is left behind
	}
	return e
}

// leave wipes what was typed.
func (e *entry) leave() {
	clear(e.digits[:cap(e.digits)])
	*e = entry{}
}

// take returns what was typed, and forgets it.
func (e *entry) take() []byte {
	digits := slices.Clone(e.digits)
	clear(e.digits[:cap(e.digits)])
	e.digits = e.digits[:0]
	return digits
}

// MaxDigits is the greatest number of digits that a PIN can have.
const MaxDigits = 48

// act is what a touch does: a verb and what it is done to.
type act struct {
	verb verb
	n    int
}

// verb says what is done.
type verb uint8

const (
	nothing verb = iota
	answer       // the screen, with Action n
	choose       // item n of a list
	submit       // the number or the digits
	digit        // n is typed
	erase        // the last digit
	step         // the number by n
	scroll       // the list by n items
)

// secret reports whether showing that a is done would tell what is typed.
func (a act) secret() bool { return a.verb == digit }
