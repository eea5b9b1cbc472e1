package flash

import "math/rand/v2"

// unsteady is what an interrupted erasure leaves: bits between 0 and 1, which
// read as one or the other.
type unsteady struct {
	seed uint64
	mask []byte // of the block: the bits that may be either
}

// Unsettle makes about one word in eight of a block unsteady, and at least one:
// reading it gives other bits each time, until the block is erased. The same seed picks the same
// words, and the same reads of equal chips give the same bits.
func (m *Memory) Unsettle(block int, seed uint64) error {
	if err := m.geometry.checkBlock(block); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, uint64(block)))
	mask := make([]byte, m.geometry.BlockSize())
	certain := random.IntN(len(mask) / wordSize)
	for at := 0; at < len(mask); at += wordSize {
		if random.IntN(8) > 0 && at/wordSize != certain {
			continue
		}
		for i := range wordSize {
			mask[at+i] = byte(random.Uint32())
		}
	}
	m.settle(block)
	m.own(block).unsteady = &unsteady{seed, mask}
	m.unsteady++
	return nil
}

// settle is what erasing does to unsteady words.
func (m *Memory) settle(block int) {
	if b := m.block(block); b == nil || b.unsteady == nil {
		return
	}
	if m.unsteady--; m.unsteady == 0 {
		m.reads = 0
	}
}

// flip inverts some unsteady bits of p, the bytes of the block from offset on.
func (u *unsteady) flip(p []byte, offset int, read uint64) {
	random := rand.New(rand.NewPCG(u.seed, read))
	for i := range p {
		if mask := u.mask[offset+i]; mask != 0 {
			p[i] ^= mask & byte(random.Uint32())
		}
	}
}
