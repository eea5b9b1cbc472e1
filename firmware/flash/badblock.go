package flash

import (
	"errors"
	"fmt"
)

// ErrBadBlock reports an operation that a block can no longer do.
var ErrBadBlock = errors.New("block is bad")

// Failure is a way in which a block can be bad. They are those that the authors
// of littlefs tell apart.
type Failure uint8

// Ways to be bad.
const (
	ProgramFails   Failure = iota + 1 // programming gives ErrBadBlock
	EraseFails                        // erasing gives ErrBadBlock
	ReadFails                         // reading gives ErrBadBlock
	ProgramIgnored                    // programming reports success and does nothing
	EraseIgnored                      // erasing reports success and does nothing
)

// String returns the name of the failure.
func (f Failure) String() string {
	names := [...]string{
		ProgramFails: "program fails", EraseFails: "erase fails", ReadFails: "read fails",
		ProgramIgnored: "program ignored", EraseIgnored: "erase ignored",
	}
	if f < ProgramFails || f > EraseIgnored {
		return fmt.Sprintf("failure %d", uint8(f))
	}
	return names[f]
}

// BadBlocks is a chip with blocks that are bad, or go bad when they are worn.
type BadBlocks struct {
	Device
	bad    map[int]Failure
	erased map[int]int
	limit  int
	worn   Failure
}

// NewBadBlocks returns d with the given blocks bad.
func NewBadBlocks(d Device, bad map[int]Failure) *BadBlocks {
	b := &BadBlocks{Device: d, bad: map[int]Failure{}, erased: map[int]int{}}
	for block, how := range bad {
		b.bad[block] = how
	}
	return b
}

// NewWorn returns d whose blocks last so many erasures each, counted from now;
// one more and they fail as said.
func NewWorn(d Device, erasures int, how Failure) *BadBlocks {
	b := NewBadBlocks(d, nil)
	b.limit, b.worn = erasures, how
	return b
}

// Read fills p with the bytes from addr on.
func (b *BadBlocks) Read(addr int64, p []byte) error {
	if block, how := b.failure(addr, len(p)); how == ReadFails {
		return fmt.Errorf("flash: read block %d: %w", block, ErrBadBlock)
	}
	return b.Device.Read(addr, p)
}

// Program clears the bits at addr that are clear in p, up to a block that is bad.
func (b *BadBlocks) Program(addr int64, p []byte) error {
	size := int64(b.Geometry().BlockSize())
	for len(p) > 0 {
		n := min(int64(len(p)), size-addr%size)
		switch block, how := b.failure(addr, 1); how {
		case ProgramFails:
			return fmt.Errorf("flash: program block %d: %w", block, ErrBadBlock)
		case ProgramIgnored:
		default:
			if err := b.Device.Program(addr, p[:n]); err != nil {
				return err
			}
		}
		addr, p = addr+n, p[n:]
	}
	return nil
}

// Erase sets every bit of a block.
func (b *BadBlocks) Erase(block int) error {
	if b.limit > 0 && b.bad[block] == 0 {
		if b.erased[block]++; b.erased[block] > b.limit {
			b.bad[block] = b.worn
		}
	}
	switch b.bad[block] {
	case EraseFails:
		return fmt.Errorf("flash: erase block %d: %w", block, ErrBadBlock)
	case EraseIgnored:
		return nil
	}
	return b.Device.Erase(block)
}

// failure returns the first bad block of a range.
func (b *BadBlocks) failure(addr int64, n int) (block int, how Failure) {
	size := int64(b.Geometry().BlockSize())
	for block := addr / size; n > 0 && block*size < addr+int64(n); block++ {
		if how := b.bad[int(block)]; how != 0 {
			return int(block), how
		}
	}
	return 0, 0
}
