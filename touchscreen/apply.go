package touchscreen

import "slices"

// apply does what a person meant. p.mu is held.
func (p *Panel) apply(a act) {
	switch e := &p.entry; a.verb {
	case digit:
		if len(e.digits) < cap(e.digits) {
			e.digits = append(e.digits, '0'+byte(a.n))
		}
	case erase:
		if last := len(e.digits) - 1; last >= 0 {
			e.digits[last] = 0
			e.digits = e.digits[:last]
		}
	case step:
		e.number = min(max(e.number+a.n, p.screen.Min), p.screen.Max)
	case scroll:
		e.top, e.focus = max(0, min(p.firstRow()+a.n, len(p.screen.Items)-1)), act{}
	case answer:
		p.reply(Answer{Action: Action(a.n)})
	case choose:
		p.reply(Answer{Action: OK, Item: a.n})
	case submit:
		p.reply(Answer{Action: OK, Number: e.number, Digits: e.take()})
	}
}

// reply gives the answer to the screen. There is room for it: there is one answer
// for each screen, and Show has taken the one before.
func (p *Panel) reply(a Answer) {
	p.answered = true
	p.answers <- a
}

// firstRow returns the first item that is in sight.
func (p *Panel) firstRow() int {
	for _, part := range p.parts {
		if part.act.verb == choose {
			return part.act.n
		}
	}
	return 0
}

// reveal scrolls to the item that a chooses, if it is out of sight.
func (p *Panel) reveal(a act) {
	if a.verb != choose {
		return
	}
	first, rows := p.firstRow(), 0
	for _, part := range p.parts {
		if part.act.verb == choose {
			rows++
		}
	}
	switch {
	case a.n < first:
		p.entry.top = a.n
	case a.n >= first+rows:
		p.entry.top = a.n - rows + 1
	}
}

// Answer gives an answer as a whole, as a script does, and reports whether it
// could be given with a finger. The digits are copied; the caller wipes its own.
func (p *Panel) Answer(a Answer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answered {
		return false
	}
	switch s := p.screen; {
	case a.Action != OK:
		if a = (Answer{Action: a.Action}); !p.offered(act{answer, int(a.Action)}) {
			return false
		}
	case s.Kind == List && p.offered(act{choose, a.Item}):
		a = Answer{Item: a.Item}
	case s.Kind == Number && a.Number >= s.Min && a.Number <= s.Max:
		a = Answer{Number: a.Number}
	case s.Kind == PIN && s.takes(a.Digits):
		a = Answer{Digits: slices.Clone(a.Digits)}
	case p.offered(act{answer, int(OK)}):
		a = Answer{}
	default:
		return false
	}
	p.reply(a)
	p.change()
	return true
}

// takes reports whether digits could be typed on s.
func (s Screen) takes(digits []byte) bool {
	for _, d := range digits {
		if d < '0' || d > '9' {
			return false
		}
	}
	return len(digits) >= s.Min && len(digits) <= min(s.Max, MaxDigits)
}
