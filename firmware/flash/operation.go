package flash

import (
	"fmt"
	"math/rand/v2"
)

// Kind says what an operation does.
type Kind uint8

// The operations between which, and within which, power can fail.
const (
	ProgramPage Kind = iota + 1 // clear bits within one page
	EraseBlock                  // set all bits of one block
	SyncDevice                  // make everything before it durable
)

// Operation is a single step of a chip.
type Operation struct {
	Kind Kind
	Addr int64  // ProgramPage: the first byte; EraseBlock: the block's first byte
	Data []byte // ProgramPage: what is programmed, within one page; valid until the call that showed it returns
}

// String names the operation for reports, such as "program 48 bytes at 0x2100".
func (o Operation) String() string {
	switch o.Kind {
	case ProgramPage:
		return fmt.Sprintf("program %d bytes at %#x", len(o.Data), o.Addr)
	case EraseBlock:
		return fmt.Sprintf("erase block at %#x", o.Addr)
	default:
		return "sync"
	}
}

// Mode says how far an operation came.
type Mode uint8

// How far an operation can come when power fails.
const (
	Before       Mode = iota + 1 // power failed before it: nothing happened
	TornPrefix                   // the first bytes are done, in one byte only some bits
	TornBits                     // a random subset of the bits that should change has changed
	After                        // power failed after it: all of it happened
	TornWord                     // the first words are done, in one word only some bits
	TornUnsteady                 // of an erasure: any of the bits are set, and some words read differently each time until they are erased again
)

// wordSize is what a chip programs at once, in bytes.
const wordSize = 8

// String returns the name of the mode.
func (m Mode) String() string {
	names := [...]string{
		Before: "before", TornPrefix: "torn prefix", TornBits: "torn bits", After: "after",
		TornWord: "torn word", TornUnsteady: "torn unsteady",
	}
	if m < Before || m > TornUnsteady {
		return fmt.Sprintf("mode %d", uint8(m))
	}
	return names[m]
}

// Outcome says what became of an operation. The same seed gives the same tear.
type Outcome struct {
	Mode Mode
	Seed uint64 // of a tear
}

func (o Outcome) torn() bool { return o.Mode != Before && o.Mode != After }

// Perform carries the operation out on d as far as the outcome says. A sync
// cannot be torn: it happens only After.
func (o Operation) Perform(d Device, how Outcome) error {
	if how.Mode == Before {
		return nil
	}
	torn := how.torn()
	switch {
	case o.Kind == SyncDevice && torn:
		return nil
	case o.Kind == SyncDevice:
		return d.Sync()
	case o.Kind == EraseBlock && torn:
		return o.tearErase(d, how)
	case o.Kind == EraseBlock:
		return d.Erase(o.block(d))
	case torn:
		return o.tearProgram(d, how)
	default:
		return d.Program(o.Addr, o.Data)
	}
}

func (o Operation) block(d Device) int {
	return int(o.Addr / int64(d.Geometry().BlockSize()))
}

// tearProgram programs a part of what it should.
func (o Operation) tearProgram(d Device, how Outcome) error {
	mixed := make([]byte, len(o.Data))
	if err := d.Read(o.Addr, mixed); err != nil {
		return err
	}
	how.mix(mixed, o.Data)
	return d.Program(o.Addr, mixed)
}

// tearErase leaves a mix of the old content and set bits.
func (o Operation) tearErase(d Device, how Outcome) error {
	size := d.Geometry().BlockSize()
	mixed, erased := make([]byte, size), make([]byte, size)
	if err := d.Read(o.Addr, mixed); err != nil {
		return err
	}
	fill(erased, Erased)
	how.mix(mixed, erased)
	if err := d.Erase(o.block(d)); err != nil {
		return err
	}
	if err := d.Program(o.Addr, mixed); err != nil || how.Mode != TornUnsteady {
		return err
	}
	if m, ok := d.(interface{ Unsettle(int, uint64) error }); ok {
		return m.Unsettle(o.block(d), how.Seed)
	}
	return nil
}

// mix moves old some of the way to want.
func (o Outcome) mix(old, want []byte) {
	random := rand.New(rand.NewPCG(o.Seed, uint64(o.Mode)))
	switch o.Mode {
	case TornPrefix:
		tearAt(old, want, 1, random)
	case TornWord:
		tearAt(old, want, wordSize, random)
	case TornUnsteady:
		if o.Seed%2 == 0 { // all that can be read of it is done
			copy(old, want)
			return
		}
		fallthrough
	default:
		blendAll(old, want, random)
	}
}

// tearAt takes some units from want and, of the bits of the next one, any.
func tearAt(old, want []byte, unit int, random *rand.Rand) {
	n := min(random.IntN(len(old)/unit+1)*unit, len(old))
	copy(old, want[:n])
	end := min(n+unit, len(old))
	blendAll(old[n:end], want[n:end], random)
}

func blendAll(old, want []byte, random *rand.Rand) {
	for i := range old {
		old[i] = blend(old[i], want[i], byte(random.Uint32()))
	}
}

// blend takes the bits set in mask from want and the others from old.
func blend(old, want, mask byte) byte { return old&^mask | want&mask }

// Tap shows each operation just before it happens. A program of several pages
// is shown, and done, page by page.
type Tap struct {
	device  Device
	before  func(Operation) error
	perform func(Operation) error
}

// NewTap returns a device that calls before ahead of each operation on d. An
// error from it becomes the operation's, which then does not happen.
func NewTap(d Device, before func(Operation) error) *Tap {
	return &Tap{device: d, before: before, perform: func(o Operation) error {
		return o.Perform(d, Outcome{Mode: After})
	}}
}

// Geometry returns the sizes of the chip.
func (t *Tap) Geometry() Geometry { return t.device.Geometry() }

// Read fills p with the bytes from addr on. It is not shown: it changes nothing.
func (t *Tap) Read(addr int64, p []byte) error { return t.device.Read(addr, p) }

// Program clears the bits at addr that are clear in p, page by page.
func (t *Tap) Program(addr int64, p []byte) error {
	if err := t.Geometry().checkRange(addr, len(p)); err != nil {
		return err
	}
	page := int64(t.Geometry().PageSize)
	for len(p) > 0 {
		n := min(int64(len(p)), page-addr%page)
		if err := t.do(Operation{Kind: ProgramPage, Addr: addr, Data: p[:n]}); err != nil {
			return err
		}
		addr, p = addr+n, p[n:]
	}
	return nil
}

// Erase sets every bit of a block.
func (t *Tap) Erase(block int) error {
	if err := t.Geometry().checkBlock(block); err != nil {
		return err
	}
	return t.do(Operation{Kind: EraseBlock, Addr: int64(block) * int64(t.Geometry().BlockSize())})
}

// Sync makes everything before it durable.
func (t *Tap) Sync() error { return t.do(Operation{Kind: SyncDevice}) }

// Close closes the chip.
func (t *Tap) Close() error { return t.device.Close() }

func (t *Tap) do(o Operation) error {
	if err := t.before(o); err != nil {
		return err
	}
	return t.perform(o)
}
