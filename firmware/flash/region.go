package flash

import "fmt"

// Region is some neighbouring blocks of a chip, as a device of its own.
type Region struct {
	chip     Device
	first    int64 // address of its first byte
	geometry Geometry
}

var _ Device = (*Region)(nil)

// NewRegion returns so many blocks of chip, from the block first on. Addresses
// and blocks of a region count from its own start. Regions of one chip are used
// by one goroutine at a time, as the chip is; a Guard around the chip lifts that.
func NewRegion(chip Device, first, blocks int) (*Region, error) {
	g := chip.Geometry()
	if first < 0 || blocks < 1 || first > g.Blocks || blocks > g.Blocks-first {
		return nil, fmt.Errorf("flash: blocks %d to %d of %d: %w", first, first+blocks-1, g.Blocks, ErrRange)
	}
	r := &Region{chip: chip, first: int64(first) * int64(g.BlockSize()), geometry: g}
	r.geometry.Blocks = blocks
	return r, nil
}

// Geometry returns the sizes of the region.
func (r *Region) Geometry() Geometry { return r.geometry }

// Read fills p with the bytes from addr on.
func (r *Region) Read(addr int64, p []byte) error {
	if err := r.geometry.checkRange(addr, len(p)); err != nil {
		return err
	}
	return r.chip.Read(r.first+addr, p)
}

// Program clears the bits at addr that are clear in p.
func (r *Region) Program(addr int64, p []byte) error {
	if err := r.geometry.checkRange(addr, len(p)); err != nil {
		return err
	}
	return r.chip.Program(r.first+addr, p)
}

// Erase sets every bit of a block.
func (r *Region) Erase(block int) error {
	if err := r.geometry.checkBlock(block); err != nil {
		return err
	}
	return r.chip.Erase(int(r.first/int64(r.geometry.BlockSize())) + block)
}

// Sync returns when everything done so far, anywhere on the chip, will survive
// a loss of power.
func (r *Region) Sync() error { return r.chip.Sync() }

// Close does nothing: the chip is for its owner to close.
func (r *Region) Close() error { return nil }
