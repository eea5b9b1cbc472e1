// Package flash models the NOR flash chip on which a device keeps all of its
// durable state.
//
// A chip is a row of erase blocks, and a block is a row of pages. Erasing sets
// every bit of a block; programming can only clear bits, at most one page at a
// time. Nothing is certain to outlive a loss of power before [Device].Sync has
// returned.
//
// [Memory] keeps the chip in memory and clones it in microseconds, copying no
// content; [File] keeps it in a file of the host. Both count how often each
// block was erased.
//
// Power fails in the middle of things. [Tap] shows every single operation
// before it happens, [Operation].Perform carries it out as far as an [Outcome]
// says, [PowerCut] cuts the power at a chosen operation, and [Cache] models
// writes that reach the medium in another order than they were made. With
// clones, a test can examine every state a crash could leave behind.
//
// Chips also fail while they have power. Each way is a decorator with a seed:
// [Decay] loses bits behind a code that corrects some, [BadBlocks] has blocks
// that fail or wear out, [Misdirected] writes in the wrong place, [Stuck] has
// bits that no longer change; and a torn erasure leaves words that read
// differently each time ([Memory.Unsettle]).
//
// [Region] makes a part of a chip a device of its own.
//
// A device is used by one goroutine at a time.
package flash

import (
	"bytes"
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrCorrupt reports a file that is not a flash image of the expected
	// geometry: foreign, truncated, damaged or of another version.
	ErrCorrupt = errors.New("flash image is corrupt")
	// ErrRange reports an address or block outside the chip.
	ErrRange = errors.New("outside the flash")
	// ErrNotErased reports an attempt to set a bit by programming.
	ErrNotErased = errors.New("programming cannot set a cleared bit")
	// ErrPowerLost reports an operation on a chip without power.
	ErrPowerLost = errors.New("flash has lost power")
)

// Erased is the value of every byte of an erased block.
const Erased = 0xFF

// IsErased reports whether every byte of p is as in an erased block.
func IsErased(p []byte) bool {
	// Each byte is compared with the one before it, many at a time.
	return len(p) == 0 || p[0] == Erased && bytes.Equal(p[1:], p[:len(p)-1])
}

// maxSize bounds the memory that a wrong geometry can ask for: 1 GiB.
const maxSize = 1 << 30

// Device is a NOR flash chip. Addresses count bytes from the start of the
// chip; blocks are numbered from 0.
type Device interface {
	// Geometry returns the sizes of the chip.
	Geometry() Geometry
	// Read fills p with the bytes from addr on.
	Read(addr int64, p []byte) error
	// Program clears the bits at addr that are clear in p. The range may
	// span pages: they are programmed one by one, in order. It returns
	// ErrNotErased, and changes nothing, if p has a bit set that is clear
	// on the chip.
	Program(addr int64, p []byte) error
	// Erase sets every bit of a block.
	Erase(block int) error
	// Sync returns when everything done so far will survive a loss of power.
	Sync() error
	// Close releases the device. It does not sync.
	Close() error
}

// Geometry gives the sizes of a chip.
type Geometry struct {
	PageSize      int // bytes that one program operation covers at most; a power of two, 16 to 65,536
	PagesPerBlock int // pages that are erased together; at least 1
	Blocks        int // erase blocks on the chip; at least 1
}

// DefaultGeometry is a chip of 16 MiB: 4,096 blocks of 4 KiB, in pages of 256
// bytes, the sizes of a common serial NOR chip. A block is also what hosts
// write to a disk in one piece.
func DefaultGeometry() Geometry {
	return Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 4096}
}

// BlockSize returns the bytes of an erase block.
func (g Geometry) BlockSize() int { return g.PageSize * g.PagesPerBlock }

// Size returns the bytes of the whole chip.
func (g Geometry) Size() int64 { return int64(g.BlockSize()) * int64(g.Blocks) }

// String returns the geometry in the form "2048 blocks of 16 pages of 256 bytes".
func (g Geometry) String() string {
	return fmt.Sprintf("%d blocks of %d pages of %d bytes", g.Blocks, g.PagesPerBlock, g.PageSize)
}

// Check reports whether the sizes are in range; the whole chip may have at
// most 1 GiB.
func (g Geometry) Check() error {
	switch {
	case g.PageSize < 16 || g.PageSize > 1<<16 || g.PageSize&(g.PageSize-1) != 0:
		return fmt.Errorf("flash: page size %d is not a power of two from 16 to 65536", g.PageSize)
	case g.PagesPerBlock < 1 || g.Blocks < 1:
		return fmt.Errorf("flash: %v: a chip has at least one block of one page", g)
	case int64(g.PagesPerBlock) > maxSize/int64(g.PageSize),
		int64(g.Blocks) > maxSize/int64(g.BlockSize()):
		return fmt.Errorf("flash: %v: more than %d bytes", g, maxSize)
	}
	return nil
}

// checkRange reports whether n bytes from addr on lie on the chip.
func (g Geometry) checkRange(addr int64, n int) error {
	if addr < 0 || addr > g.Size() || int64(n) > g.Size()-addr {
		return fmt.Errorf("flash: %d bytes at %#x: %w", n, addr, ErrRange)
	}
	return nil
}

// checkBlock reports whether the chip has such a block.
func (g Geometry) checkBlock(block int) error {
	if block < 0 || block >= g.Blocks {
		return fmt.Errorf("flash: block %d of %d: %w", block, g.Blocks, ErrRange)
	}
	return nil
}
