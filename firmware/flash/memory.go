package flash

import (
	"fmt"
	"sync/atomic"
)

// groupBlocks is how many blocks a chip in memory keeps track of together.
const groupBlocks = 64

// Memory is a chip in memory. Clones share the blocks that neither side has
// changed since.
type Memory struct {
	geometry Geometry
	groups   []*group // of groupBlocks blocks each; nil: all of them are as they were made
	self     *owner   // nil: it owns nothing yet, or nothing any more
	unsteady int      // blocks that have unsteady words
	reads    uint64   // of such blocks, while there are any
}

// group holds what there is to know of some blocks. Only the chip whose owner is
// named may change it; everyone else copies first.
type group struct {
	owner  *owner
	blocks [groupBlocks]*block // nil: erased
	wear   [groupBlocks]uint32
	digest atomic.Pointer[Digest] // of the content; nil: not known
}

// block holds the bytes of one erase block, under the same rule.
type block struct {
	owner    *owner
	bytes    []byte
	unsteady *unsteady              // nil: it reads the same each time
	digest   atomic.Pointer[Digest] // nil: not known
}

// owner is an identity. It has a size so that no two share an address.
type owner struct{ _ byte }

// NewMemory returns an erased chip.
func NewMemory(g Geometry) (*Memory, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	return &Memory{
		geometry: g,
		groups:   make([]*group, (g.Blocks+groupBlocks-1)/groupBlocks),
	}, nil
}

// Load returns a chip that holds a copy of image, whose length must be the
// size of the chip.
func Load(g Geometry, image []byte) (*Memory, error) {
	m, err := NewMemory(g)
	if err != nil {
		return nil, err
	}
	if int64(len(image)) != g.Size() {
		return nil, fmt.Errorf("flash: image of %d bytes for a chip of %d: %w", len(image), g.Size(), ErrRange)
	}
	for i := range g.Blocks {
		start := i * g.BlockSize()
		copy(m.own(i).bytes, image[start:start+g.BlockSize()])
	}
	return m, nil
}

// Clone returns a chip with the same content and wear. It copies a pointer for
// each 64 blocks, and no content. Several goroutines may clone a chip that nobody
// has changed since it was last cloned.
func (m *Memory) Clone() *Memory {
	if m.self != nil {
		m.self = nil // neither side may go on changing what both now see
	}
	c := *m
	c.groups = append([]*group(nil), m.groups...)
	return &c
}

// Geometry returns the sizes of the chip.
func (m *Memory) Geometry() Geometry { return m.geometry }

// Read fills p with the bytes from addr on.
func (m *Memory) Read(addr int64, p []byte) error {
	if err := m.geometry.checkRange(addr, len(p)); err != nil {
		return err
	}
	m.walk(addr, p, func(i, offset int, part []byte) bool {
		switch b := m.block(i); {
		case b == nil:
			fill(part, Erased)
		case b.unsteady != nil:
			copy(part, b.bytes[offset:])
			m.reads++
			b.unsteady.flip(part, offset, m.reads)
		default:
			copy(part, b.bytes[offset:])
		}
		return true
	})
	return nil
}

// Program clears the bits at addr that are clear in p.
func (m *Memory) Program(addr int64, p []byte) error {
	if err := m.checkProgram(addr, p); err != nil {
		return err
	}
	m.walk(addr, p, func(i, offset int, part []byte) bool {
		copy(m.own(i).bytes[offset:], part)
		return true
	})
	return nil
}

// Erase sets every bit of a block.
func (m *Memory) Erase(block int) error {
	if err := m.geometry.checkBlock(block); err != nil {
		return err
	}
	m.settle(block)
	g := m.ownGroup(block)
	g.blocks[block%groupBlocks] = nil
	g.wear[block%groupBlocks]++
	return nil
}

// Sync does nothing: memory has no slower medium behind it.
func (m *Memory) Sync() error { return nil }

// Close does nothing.
func (m *Memory) Close() error { return nil }

// Wear returns how often a block was erased.
func (m *Memory) Wear(block int) uint32 {
	if g := m.groups[block/groupBlocks]; g != nil {
		return g.wear[block%groupBlocks]
	}
	return 0
}

// Flip inverts one bit, as decay of the chip does, whatever the rules of
// programming say. Bit 0 is the least significant bit of byte 0.
func (m *Memory) Flip(bit int64) error {
	addr := bit / 8
	if err := m.geometry.checkRange(addr, 1); err != nil || bit < 0 {
		return fmt.Errorf("flash: bit %d: %w", bit, ErrRange)
	}
	size := int64(m.geometry.BlockSize())
	m.own(int(addr / size)).bytes[addr%size] ^= 1 << (bit % 8)
	return nil
}

// checkProgram reports whether p can be programmed at addr.
func (m *Memory) checkProgram(addr int64, p []byte) error {
	if err := m.geometry.checkRange(addr, len(p)); err != nil {
		return err
	}
	legal := true
	m.walk(addr, p, func(i, offset int, part []byte) bool {
		b := m.block(i)
		legal = b == nil || clears(b.bytes[offset:], part)
		return legal
	})
	if !legal {
		return fmt.Errorf("flash: %d bytes at %#x: %w", len(p), addr, ErrNotErased)
	}
	return nil
}

// clears reports whether going from old to p only clears bits.
func clears(old, p []byte) bool {
	for i, b := range p {
		if b&^old[i] != 0 {
			return false
		}
	}
	return true
}

// walk cuts p at block boundaries and visits each part until visit returns false.
func (m *Memory) walk(addr int64, p []byte, visit func(block, offset int, part []byte) bool) {
	size := m.geometry.BlockSize()
	for len(p) > 0 {
		i, offset := int(addr/int64(size)), int(addr%int64(size))
		n := min(len(p), size-offset)
		if !visit(i, offset, p[:n]) {
			return
		}
		addr, p = addr+int64(n), p[n:]
	}
}

// block returns what a block holds; nil: it is erased.
func (m *Memory) block(i int) *block {
	if g := m.groups[i/groupBlocks]; g != nil {
		return g.blocks[i%groupBlocks]
	}
	return nil
}

// ownGroup returns the group of a block, for this chip to change.
func (m *Memory) ownGroup(i int) *group {
	if m.self == nil {
		m.self = new(owner)
	}
	g := m.groups[i/groupBlocks]
	if g == nil || g.owner != m.self {
		mine := &group{owner: m.self}
		if g != nil {
			mine.blocks, mine.wear = g.blocks, g.wear
		}
		m.groups[i/groupBlocks], g = mine, mine
	}
	g.digest.Store(nil)
	return g
}

// own returns a block for this chip to change.
func (m *Memory) own(i int) *block {
	g := m.ownGroup(i)
	b := g.blocks[i%groupBlocks]
	if b != nil && b.owner == m.self {
		b.digest.Store(nil)
		return b
	}
	mine := &block{owner: m.self, bytes: make([]byte, m.geometry.BlockSize())}
	if b != nil {
		copy(mine.bytes, b.bytes)
		mine.unsteady = b.unsteady
	} else {
		fill(mine.bytes, Erased)
	}
	g.blocks[i%groupBlocks] = mine
	return mine
}

// fill sets every byte of p, at the speed of copying.
func fill(p []byte, v byte) {
	if len(p) == 0 {
		return
	}
	p[0] = v
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}
