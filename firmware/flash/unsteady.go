package flash

import (
	"math/bits"
	"math/rand/v2"
)

// unsteady is what an interrupted erasure leaves: bits between 0 and 1, which
// read as one or the other.
type unsteady struct {
	seed uint64
	mask []byte // of the block: the bits that may be either
}

// Unsettle makes words of a block unsteady, from a single one to one in eight:
// about every other time that one is read, some of its bits are wrong, until the
// block is erased. The same seed picks the same words, and the same reads of equal
// chips give the same bits.
func (m *Memory) Unsettle(block int, seed uint64) error {
	if err := m.geometry.checkBlock(block); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, uint64(block)))
	mask := make([]byte, m.geometry.BlockSize())
	words := len(mask) / wordSize
	count := 1
	if random.IntN(2) == 1 {
		count <<= random.IntN(bits.Len(uint(max(1, words/8))))
	}
	for range count {
		at := random.IntN(words) * wordSize
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
	coins := uint64(0) // one for each of the next 64 words
	for i := range p {
		if at := offset + i; at%wordSize == 0 || i == 0 {
			if coins >>= 1; coins <= 1 {
				coins = random.Uint64() | 1<<63
			}
		}
		if mask := u.mask[offset+i]; mask != 0 && coins&1 == 1 {
			p[i] ^= mask & byte(random.Uint32())
		}
	}
}
