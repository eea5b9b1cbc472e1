package sweep

import (
	"hash/crc32"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// isRecord reports whether a range of the flash is that of a record.
func isRecord(addr int64, p []byte) bool {
	return len(p) == boot.RecordSize && addr/int64(geometry.BlockSize()) < 2 && addr%int64(geometry.BlockSize()) == 0
}

// spot is what a block of a slot is for.
type spot struct{ marks, image bool }

func spotOf(block int) spot {
	if block < 2 || block >= regionBlocks {
		return spot{}
	}
	within := (block - 2) % slotBlocks
	return spot{marks: within == 0, image: within > 2} // heads have two blocks
}

func blockOf(addr int64) int { return int(addr / int64(geometry.BlockSize())) }

// rewrite returns a chip on which records are written otherwise.
func rewrite(edit func(*boot.Record)) func(flash.Device, *flash.Memory) flash.Device {
	return func(c flash.Device, _ *flash.Memory) flash.Device { return &rewriter{Device: c, edit: edit} }
}

type rewriter struct {
	flash.Device
	edit func(*boot.Record)
	at   int64
	told []byte // what it was told to write, until it was read back
}

// Read shows once what it was told to write.
func (w *rewriter) Read(addr int64, p []byte) error {
	err := w.Device.Read(addr, p)
	if w.told != nil && addr == w.at {
		copy(p, w.told)
		w.told = nil
	}
	return err
}

// Program writes the record that it was not told to write.
func (w *rewriter) Program(addr int64, p []byte) error {
	if r, err := boot.DecodeRecord(p); isRecord(addr, p) && err == nil {
		w.edit(&r)
		w.at, w.told = addr, p
		p = r.Encode()
	}
	return w.Device.Program(addr, p)
}

// remap returns a chip on which blocks are in the place of others.
func remap(to func(block int) int) func(flash.Device, *flash.Memory) flash.Device {
	return func(c flash.Device, _ *flash.Memory) flash.Device { return &mapped{c, to} }
}

type mapped struct {
	flash.Device
	to func(block int) int
}

func (m *mapped) addr(addr int64) int64 {
	size := int64(geometry.BlockSize())
	return int64(m.to(int(addr/size)))*size + addr%size
}

func (m *mapped) Read(addr int64, p []byte) error    { return m.Device.Read(m.addr(addr), p) }
func (m *mapped) Program(addr int64, p []byte) error { return m.Device.Program(m.addr(addr), p) }
func (m *mapped) Erase(block int) error              { return m.Device.Erase(m.to(block)) }

type eraseBoth struct{ flash.Device }

func (e *eraseBoth) Erase(block int) error {
	if block < 2 {
		if err := e.Device.Erase(1 - block); err != nil {
			return err
		}
	}
	return e.Device.Erase(block)
}

// gullible puts the check of torn records right, and takes what was not written for
// zero.
type gullible struct{ flash.Device }

func (g *gullible) Read(addr int64, p []byte) error {
	if err := g.Device.Read(addr, p); err != nil || !isRecord(addr, p) {
		return err
	}
	if _, err := boot.DecodeRecord(p); err == nil || string(p[:8]) != "HSM7BOOT" {
		return nil
	}
	body := p[:boot.RecordSize-4]
	for i := 36; i < len(body); i++ {
		if body[i] == flash.Erased {
			body[i] = 0
		}
	}
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	copy(p[len(body):], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
	return nil
}

// shortSighted reads no mark behind one that is torn.
type shortSighted struct{ flash.Device }

func (s *shortSighted) Read(addr int64, p []byte) error {
	if err := s.Device.Read(addr, p); err != nil || !spotOf(blockOf(addr)).marks {
		return err
	}
	const size = 16
	for at := 0; at+size <= len(p); at += size {
		if mark := p[at : at+size]; !flash.IsErased(mark) && string(mark[:4]) != "HERE" {
			for i := at; i < len(p); i++ {
				p[i] = flash.Erased
			}
		}
	}
	return nil
}

// markFirst writes a chunk when it is marked, behind the mark.
type markFirst struct {
	flash.Device
	held []flash.Operation
}

func (m *markFirst) Program(addr int64, p []byte) error {
	if spotOf(blockOf(addr)).image {
		m.held = append(m.held, flash.Operation{Addr: addr, Data: p})
		return nil
	}
	if err := m.Device.Program(addr, p); err != nil {
		return err
	}
	for _, o := range m.held {
		if err := m.Device.Program(o.Addr, o.Data); err != nil {
			return err
		}
	}
	m.held = nil
	return nil
}

// Read shows what is held as if it had been written.
func (m *markFirst) Read(addr int64, p []byte) error {
	if err := m.Device.Read(addr, p); err != nil {
		return err
	}
	for _, o := range m.held {
		overlay(addr, p, o.Addr, o.Data)
	}
	return nil
}

// overlay puts what is to be at one address over what was read from another.
func overlay(addr int64, p []byte, at int64, data []byte) {
	if skip := addr - at; skip >= 0 && skip < int64(len(data)) {
		copy(p, data[skip:])
	} else if skip < 0 && -skip < int64(len(p)) {
		copy(p[-skip:], data)
	}
}

// markLate writes a mark when the next thing is written.
type markLate struct {
	flash.Device
	addr int64
	mark []byte
}

// Read shows the mark as if it had been written.
func (m *markLate) Read(addr int64, p []byte) error {
	err := m.Device.Read(addr, p)
	overlay(addr, p, m.addr, m.mark)
	return err
}

func (m *markLate) Program(addr int64, p []byte) error {
	if err := m.flush(); err != nil {
		return err
	}
	if spotOf(blockOf(addr)).marks {
		m.addr, m.mark = addr, append([]byte(nil), p...)
		return nil
	}
	return m.Device.Program(addr, p)
}

func (m *markLate) flush() error {
	mark := m.mark
	if m.mark = nil; mark == nil {
		return nil
	}
	return m.Device.Program(m.addr, mark)
}

// lazy shows at once what was done to it, and does it one sync later.
type lazy struct {
	*flash.Tap
	due, next []flash.Operation
}

func newLazy(chip flash.Device, content *flash.Memory) flash.Device {
	l := &lazy{}
	l.Tap = flash.NewTap(content.Clone(), func(o flash.Operation) error {
		o.Data = append([]byte(nil), o.Data...)
		l.next = append(l.next, o)
		if o.Kind != flash.SyncDevice {
			return nil
		}
		for _, o := range l.due {
			if err := o.Perform(chip, flash.Outcome{Mode: flash.After}); err != nil {
				return err
			}
		}
		l.due, l.next = l.next, nil
		return nil
	})
	return l
}

// blankCheck spares erasing what reads as erased.
type blankCheck struct{ flash.Device }

func (b *blankCheck) Erase(block int) error {
	content := make([]byte, geometry.BlockSize())
	if err := b.Device.Read(int64(block*len(content)), content); err != nil || flash.IsErased(content) {
		return err
	}
	return b.Device.Erase(block)
}

// skipErase returns a chip on which some blocks are not erased.
func skipErase(skip func(spot) bool) func(flash.Device, *flash.Memory) flash.Device {
	return func(c flash.Device, _ *flash.Memory) flash.Device { return &eraseSome{c, skip} }
}

type eraseSome struct {
	flash.Device
	skip func(spot) bool
}

func (e *eraseSome) Erase(block int) error {
	if e.skip(spotOf(block)) {
		return nil
	}
	return e.Device.Erase(block)
}

// trustful takes any payload for the one that was signed.
type trustful struct{ boot.Verifier }

func (trustful) Check(*fuf.Update, []byte) error { return nil }
