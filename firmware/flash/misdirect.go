package flash

import "math/rand/v2"

// Misdirected is a chip with an address line that fails once: what was to be
// programmed into one page lands in another, and success is reported.
type Misdirected struct {
	*Tap
	chip   Device
	at     int
	count  int
	random *rand.Rand
}

// NewMisdirected returns d whose at-th program of a page, counted from 1, goes
// astray, as far as the bits there allow. The same seed picks the same page.
func NewMisdirected(d Device, at int, seed uint64) *Misdirected {
	m := &Misdirected{chip: d, at: at, random: rand.New(rand.NewPCG(seed, 2))}
	m.Tap = NewTap(d, func(Operation) error { return nil })
	m.Tap.perform = m.program
	return m
}

func (m *Misdirected) program(o Operation) error {
	if o.Kind == ProgramPage {
		if m.count++; m.count == m.at {
			return programOver(m.chip, otherPage(m.chip.Geometry(), o.Addr, m.random), o.Data)
		}
	}
	return o.Perform(m.chip, Outcome{Mode: After})
}

// otherPage returns an address at the same offset within another page.
func otherPage(g Geometry, addr int64, random *rand.Rand) int64 {
	page := int64(g.PageSize)
	pages := g.Size() / page
	away := 1 + random.Int64N(max(1, pages-1))
	return (addr/page+away)%pages*page + addr%page
}

// programOver clears bits whatever was there before.
func programOver(d Device, addr int64, p []byte) error {
	mixed := make([]byte, len(p))
	if err := d.Read(addr, mixed); err != nil {
		return err
	}
	for i := range mixed {
		mixed[i] &= p[i]
	}
	return d.Program(addr, mixed)
}

// Stuck is a chip with bits that no longer change.
type Stuck struct {
	Device
	bits map[int64]bool // by number, as of Memory.Flip: what they read as
}

// NewStuck returns d with so many bits stuck at 0 or 1. The same seed picks the
// same bits.
func NewStuck(d Device, count int, seed uint64) *Stuck {
	s := &Stuck{Device: d, bits: map[int64]bool{}}
	random := rand.New(rand.NewPCG(seed, 3))
	for range count {
		s.Stick(random.Int64N(8*d.Geometry().Size()), random.IntN(2) == 1)
	}
	return s
}

// Stick makes a bit read as set or clear from now on.
func (s *Stuck) Stick(bit int64, set bool) { s.bits[bit] = set }

// Read fills p with the bytes from addr on.
func (s *Stuck) Read(addr int64, p []byte) error {
	if err := s.Device.Read(addr, p); err != nil {
		return err
	}
	for bit, set := range s.bits {
		if at := bit/8 - addr; at >= 0 && at < int64(len(p)) {
			p[at] &^= 1 << (bit % 8)
			if set {
				p[at] |= 1 << (bit % 8)
			}
		}
	}
	return nil
}
