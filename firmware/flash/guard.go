package flash

import "sync"

// Chip is a device that can be copied: a Memory or a File.
type Chip interface {
	Device
	Clone() *Memory
}

// Guard lets another goroutine copy a chip while its user goes on. It adds
// nothing else.
type Guard struct {
	chip Chip
	mu   sync.Mutex // held during each operation
}

var _ Device = (*Guard)(nil)

// NewGuard returns a guard of chip, which is used through it from now on.
func NewGuard(chip Chip) *Guard { return &Guard{chip: chip} }

// Snapshot returns a copy of the chip as it is between two operations: what would
// be there if power failed now. It may be called from any goroutine.
func (g *Guard) Snapshot() *Memory {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chip.Clone()
}

// Geometry implements Device.
func (g *Guard) Geometry() Geometry { return g.chip.Geometry() }

// Read implements Device.
func (g *Guard) Read(addr int64, p []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chip.Read(addr, p)
}

// Program implements Device.
func (g *Guard) Program(addr int64, p []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chip.Program(addr, p)
}

// Erase implements Device.
func (g *Guard) Erase(block int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chip.Erase(block)
}

// Sync implements Device. A copy may be made while the disk works.
func (g *Guard) Sync() error { return g.chip.Sync() }

// Close implements Device.
func (g *Guard) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chip.Close()
}
