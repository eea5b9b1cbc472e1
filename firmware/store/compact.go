package store

// pace is how many bytes of the log are looked through for each byte that a
// commit adds, once free blocks run low. With an eighth of the ring as slack
// the tail has gone round before the slack is used up.
const pace = 16

// makeRoom moves the tail forward so that size bytes can be written and the
// spare blocks stay free. Its work is bounded: some pace times the bytes that
// commits have added since.
func (s *Store) makeRoom(size int) error {
	l := s.log
	s.debt += pace * int64(size)
	for l.free(size) < l.spare() || s.debt > 0 && l.free(size) < l.lowWater() && l.tail < l.last {
		if err := s.step(size); err != nil {
			return err
		}
		s.debt -= int64(l.room)
	}
	s.debt = min(s.debt, int64(l.room)) // blocks are not running low: nothing is owed
	return nil
}

// lowWater is how many free blocks are too few for comfort.
func (l *ring) lowWater() int64 { return l.spare() + int64(l.blocks)/16 }

// step moves the tail by one block, and frees blocks if that is urgent.
func (s *Store) step(size int) error {
	l := s.log
	if l.tail < l.last {
		if err := s.collect(); err != nil {
			return err
		}
	}
	if l.free(size) >= l.spare() {
		return nil
	}
	if l.tail-l.recorded >= 4 || l.tail == l.last {
		if err := s.checkpoint(); err != nil {
			return err
		}
	}
	return l.flush()
}

// collect copies what is still in use of the batches that begin in the oldest
// block to the end of the log, and drops the block.
func (s *Store) collect() error {
	l := s.log
	var c carrier
	for _, key := range l.keys[l.place(l.tail)] {
		e := s.index.Load().get(key)
		if e == nil || e.home != l.tail {
			continue // removed, or overwritten by a later batch
		}
		if uint64(framed(len(c.body)+int(cost(key, e.value)))) > l.room {
			if err := c.unload(l); err != nil {
				return err
			}
		}
		c.load(key, e)
	}
	if err := c.unload(l); err != nil {
		return err
	}
	for l.tail++; !l.starts[l.place(l.tail)]; l.tail++ {
		// These blocks hold nothing but the rest of a batch just dropped.
	}
	return nil
}

// carrier gathers records for a batch that moves them.
type carrier struct {
	Batch
}

// moving is the home of an entry that is on its way.
const moving = ^uint64(0)

func (c *carrier) load(key string, e *entry) {
	c.Put(key, e.value)
	c.records[len(c.records)-1].entry = e
	e.home = moving
}

func (c *carrier) unload(l *ring) error {
	if len(c.records) == 0 {
		return nil
	}
	home, err := l.append(c.body)
	if err != nil {
		return err
	}
	for _, r := range c.records {
		l.settle(r.key, r.entry, home)
	}
	c.Batch = Batch{}
	return nil
}

// checkpoint opens a block, which records how far the tail has come.
func (s *Store) checkpoint() error {
	if s.log.recorded == s.log.tail {
		return errNoBlock
	}
	s.log.leave()
	_, err := s.log.append(nil)
	return err
}
