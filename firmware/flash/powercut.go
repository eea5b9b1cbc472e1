package flash

import "math/rand/v2"

// PowerCut is a chip whose power fails at a chosen operation. From then on
// everything but Close returns ErrPowerLost; what the chip holds is what the
// device below it holds.
type PowerCut struct {
	*Tap
	at    int
	how   Outcome
	count int
	lost  bool
}

// NewPowerCut returns a device that passes on to d until the at-th operation
// (page program, block erase or sync, counted from 1), which comes as far as
// how says. With at = 0 the power never fails.
func NewPowerCut(d Device, at int, how Outcome) *PowerCut {
	p := &PowerCut{at: at, how: how}
	p.Tap = NewTap(d, p.intercept)
	return p
}

// Operations returns how many operations were begun.
func (p *PowerCut) Operations() int { return p.count }

// Lost reports whether the power has failed.
func (p *PowerCut) Lost() bool { return p.lost }

// Read fills p with the bytes from addr on.
func (p *PowerCut) Read(addr int64, b []byte) error {
	if p.lost {
		return ErrPowerLost
	}
	return p.Tap.Read(addr, b)
}

func (p *PowerCut) intercept(o Operation) error {
	if p.lost {
		return ErrPowerLost
	}
	p.count++
	if p.count != p.at {
		return nil
	}
	p.lost = true
	if err := o.Perform(p.device, p.how); err != nil {
		return err
	}
	return ErrPowerLost
}

// Cache is a chip behind a write cache that reorders: after a crash of the
// host, each block holds some of the operations since the last sync, its first
// ones, whatever became of other blocks. A file behaves so when a block is
// what the host writes in one piece.
type Cache struct {
	*Tap
	durable *Memory
	pending map[int64][]Operation // since the last sync, by block address
}

// NewCache returns a chip that holds what m holds; m is what programs see.
func NewCache(m *Memory) *Cache {
	c := &Cache{durable: m.Clone(), pending: map[int64][]Operation{}}
	c.Tap = NewTap(m, func(o Operation) error {
		c.record(m, o)
		return nil
	})
	return c
}

func (c *Cache) record(m *Memory, o Operation) {
	if o.Kind == SyncDevice {
		c.durable = m.Clone()
		clear(c.pending)
		return
	}
	size := int64(m.geometry.BlockSize())
	o.Data = append([]byte(nil), o.Data...)
	start := o.Addr - o.Addr%size
	c.pending[start] = append(c.pending[start], o)
}

// Crash returns what the medium could hold if the host crashed now. The same
// seed gives the same state.
func (c *Cache) Crash(seed uint64) (*Memory, error) {
	random := rand.New(rand.NewPCG(seed, 0))
	m := c.durable.Clone()
	size := int64(m.geometry.BlockSize())
	for start := int64(0); start < m.geometry.Size(); start += size {
		done := c.pending[start]
		for _, o := range done[:random.IntN(len(done)+1)] {
			if err := o.Perform(m, Outcome{Mode: After}); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}
