package touchscreen

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
