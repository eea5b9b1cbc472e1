package touchscreen

import (
	"image"
	"maps"
	"slices"
)

// Input is what a person does to the panel.
type Input struct {
	Phase  Phase
	At     image.Point // of a finger
	Key    string      // of Stroke: the name of a key of a keyboard, as web pages know it
	Screen uint64      // the Frame.Screen that the person saw; 0: whatever is shown now
}

// Phase is what a finger or a keyboard does.
type Phase uint8

// Phases.
const (
	Tap    Phase = iota // the finger comes and goes
	Down                // the finger comes
	Up                  // the finger goes: on what it came down on, it was touched
	Stroke              // a key
)

// Touch is a finger that comes and goes at a pixel.
func (p *Panel) Touch(x, y int) { p.Do(Input{Phase: Tap, At: image.Pt(x, y)}) }

// Press is a stroke of a key: "0" to "9", "Enter", "Escape", "Backspace", the
// arrows "ArrowUp" and so on, "PageUp", "PageDown", "Tab", "y" and "n". A key can
// do only what a finger could do at that moment.
func (p *Panel) Press(key string) { p.Do(Input{Phase: Stroke, Key: key}) }

// Do does what a person does. It is ignored if the screen already has an answer,
// or is no longer the one that the person saw.
func (p *Panel) Do(in Input) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answered || in.Screen != 0 && in.Screen != p.number {
		return
	}
	before := p.entry
	typed := len(before.digits)
	p.apply(p.meant(in))
	if !p.entry.looksLike(before, typed) {
		p.change()
	}
}

// looksLike reports whether the picture of e is that of before, when so many
// digits were typed.
func (e entry) looksLike(before entry, typed int) bool {
	return len(e.digits) == typed && e.number == before.number && e.top == before.top &&
		e.focus == before.focus && e.pressed == before.pressed
}

// meant returns what in does, and keeps where the finger and the focus are.
func (p *Panel) meant(in Input) act {
	switch under := p.under(in.At); in.Phase {
	case Tap:
		p.entry.pressed, p.entry.focus = act{}, act{}
		return under
	case Down:
		if p.entry.focus = (act{}); !under.secret() { // a picture that tells which key is under the finger would tell the PIN
			p.entry.pressed = under
		}
		p.entry.held = under
	case Up:
		held := p.entry.held
		p.entry.held, p.entry.pressed = act{}, act{}
		if held == under {
			return under
		}
	case Stroke:
		return p.stroke(in.Key)
	}
	return act{}
}

// under returns what a touch at a pixel does.
func (p *Panel) under(at image.Point) act {
	for _, part := range slices.Backward(p.parts) {
		if part.act != (act{}) && at.In(part.area) {
			return part.act
		}
	}
	return act{}
}

// offered reports whether a finger could do a now. Items of a list that are out
// of sight count: the finger would scroll first.
func (p *Panel) offered(a act) bool {
	if a.verb == choose {
		return a.n >= 0 && a.n < len(p.screen.Items)
	}
	return slices.ContainsFunc(p.parts, func(part part) bool { return part.act == a })
}

// strokes says what keys do, if it is offered.
var strokes = map[string]act{
	"Enter": {submit, 0}, "Escape": {answer, int(Cancel)}, "Backspace": {erase, 0},
	"y": {answer, int(Yes)}, "n": {answer, int(No)},
	"ArrowUp": {step, 1}, "ArrowDown": {step, -1},
	"0": {digit, 0}, "1": {digit, 1}, "2": {digit, 2}, "3": {digit, 3}, "4": {digit, 4},
	"5": {digit, 5}, "6": {digit, 6}, "7": {digit, 7}, "8": {digit, 8}, "9": {digit, 9},
}

// moves says which way keys move the focus where they do nothing else.
var moves = map[string]int{"ArrowUp": -1, "ArrowLeft": -1, "ArrowDown": 1, "ArrowRight": 1, "Tab": 1}

// stroke returns what a key does.
func (p *Panel) stroke(key string) act {
	switch does, is := strokes[key]; {
	case key == "Enter" && p.entry.focus != (act{}):
		if p.offered(p.entry.focus) { // it may have gone since
			return p.entry.focus
		}
	case is && p.offered(does):
		return does
	case key == "Enter" && p.offered(act{answer, int(OK)}):
		return act{answer, int(OK)}
	case key == "PageUp" || key == "PageDown":
		return p.turn(key == "PageDown")
	case moves[key] != 0:
		p.move(moves[key])
	}
	return act{}
}

// Keys lists the keys that Press knows, in alphabetical order.
func Keys() []string {
	all := []string{"PageUp", "PageDown"}
	all = slices.AppendSeq(all, maps.Keys(strokes))
	all = slices.AppendSeq(all, maps.Keys(moves))
	slices.Sort(all)
	return slices.Compact(all)
}

// HasKey reports whether Press knows a key. What that can do depends on the screen.
func HasKey(name string) bool { return slices.Contains(Keys(), name) }

// turn returns the scrolling that is offered in a direction.
func (p *Panel) turn(down bool) act {
	for _, part := range p.parts {
		if part.act.verb == scroll && down == (part.act.n > 0) {
			return part.act
		}
	}
	return act{}
}

// move moves the focus to the next of what can be touched, or to the one before.
// It never stands on a digit, where it would tell the PIN.
func (p *Panel) move(by int) {
	var all []act
	for _, part := range p.parts {
		if a := part.act; a != (act{}) && !a.secret() && a.verb != choose && a.verb != scroll && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	for i := range p.screen.Items {
		if p.screen.Kind == List {
			all = append(all, act{choose, i})
		}
	}
	if len(all) == 0 {
		return
	}
	at := slices.Index(all, p.entry.focus)
	switch {
	case at < 0 && p.screen.Kind == List && len(p.screen.Items) > 0 && by > 0:
		at = len(all) - len(p.screen.Items)
	case at < 0 && by < 0:
		at = len(all) - 1
	default:
		at = (at + by + len(all)) % len(all)
	}
	p.entry.focus = all[at]
	p.reveal(all[at])
}
