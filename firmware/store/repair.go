package store

import "usbhsm7/firmware/flash"

// repair clears away what an interrupted commit left behind and takes the log
// up where it ends. It may itself be interrupted anywhere.
func (l *ring) repair(f *found) error {
	for _, block := range f.dirty {
		if err := l.flash.Erase(block); err != nil {
			return err
		}
	}
	c := f.log
	if c.unfinished {
		// The batch counts from now on, so its seal must become proof.
		if err := flash.ProgramChecked(l.flash, l.addr(c.end-sealSize), seal(c.batch)); err != nil {
			return err
		}
	}
	if !f.blank {
		// What is visible now must not be lost later.
		if err := l.flash.Sync(); err != nil {
			return err
		}
	}
	l.resume(c)
	return nil
}

// resume takes up a log.
func (l *ring) resume(c chain) {
	l.next = c.next
	l.tail, l.recorded, l.erased = c.tail, c.tail, c.tail
	l.steady = c.tail + l.blocks
	l.pos, l.batch, l.last = c.end, c.batch, c.last
	for _, seq := range c.starts {
		l.starts[l.place(seq)] = true
	}
	if c.next > 0 && !c.clean {
		l.leave()
	}
}
