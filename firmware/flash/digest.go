package flash

import (
	"crypto/sha256"
	"encoding/binary"
)

// Digest is a SHA-256 hash.
type Digest = [sha256.Size]byte

// Digest identifies what reading the chip gives, now and later: its content and,
// if there are unsteady words, those. Wear is not part of it. Only what has
// changed since the last time, here or in a chip that this one was cloned from,
// is hashed again.
func (m *Memory) Digest() Digest {
	h := sha256.New()
	for _, g := range m.groups {
		d := g.sum()
		h.Write(d[:])
	}
	if m.unsteady > 0 {
		h.Write(binary.LittleEndian.AppendUint64(nil, m.reads))
	}
	return Digest(h.Sum(nil))
}

func (g *group) sum() Digest {
	if g == nil {
		return Digest{}
	}
	if known := g.digest.Load(); known != nil {
		return *known
	}
	var d Digest
	h, blank := sha256.New(), true
	for _, b := range g.blocks {
		part := b.sum()
		blank = blank && part == Digest{}
		h.Write(part[:])
	}
	if !blank { // a group that was erased is as one that was never written
		h.Sum(d[:0])
	}
	g.digest.Store(&d)
	return d
}

func (b *block) sum() Digest {
	if b == nil {
		return Digest{}
	}
	if known := b.digest.Load(); known != nil {
		return *known
	}
	h := sha256.New()
	h.Write(b.bytes)
	if u := b.unsteady; u != nil {
		h.Write(binary.LittleEndian.AppendUint64(nil, u.seed))
		h.Write(u.mask)
	}
	d := Digest{}
	if b.unsteady != nil || !IsErased(b.bytes) {
		h.Sum(d[:0])
	}
	b.digest.Store(&d)
	return d
}
