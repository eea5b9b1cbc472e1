package boot

import (
	"encoding/binary"
	"fmt"

	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// Layout says where things are in the bootloader's region: two blocks of records,
// then the slots, which are alike. A slot holds marks, one for each chunk that is
// here, then the head of the file, then the image from a new block on.
type Layout struct {
	block int // bytes
	marks int // blocks of marks in a slot
	slot  int // blocks of a slot
}

// NewLayout returns the layout on a region of this geometry. Blocks must divide a
// chunk, and a record must fit a page.
func NewLayout(g flash.Geometry) (Layout, error) {
	l := Layout{block: g.BlockSize(), slot: (g.Blocks - recordBlocks) / Slots}
	if fuf.ChunkSize%l.block != 0 || g.PageSize < RecordSize {
		return l, fmt.Errorf("boot: %v: blocks must divide a chunk of %d bytes, and a page hold %d", g, fuf.ChunkSize, RecordSize)
	}
	chunks := l.slot*l.block/fuf.ChunkSize + 1
	l.marks = l.blocks(chunks * markSize)
	if l.slot < 1+l.marks+1 {
		return l, fmt.Errorf("boot: %v: no room for %d slots", g, Slots)
	}
	return l, nil
}

// blocks returns how many blocks hold n bytes.
func (l Layout) blocks(n int) int { return (n + l.block - 1) / l.block }

// SlotStart returns the first block of a slot.
func (l Layout) SlotStart(p Place) int { return recordBlocks + int(p)*l.slot }

// SlotBlocks returns how many blocks a slot has.
func (l Layout) SlotBlocks() int { return l.slot }

// MarkAddr returns the address of the mark of chunk i.
func (l Layout) MarkAddr(p Place, i int) int64 {
	return int64(l.SlotStart(p))*int64(l.block) + int64(i)*markSize
}

// HeadBlock returns the first block of the head in a slot.
func (l Layout) HeadBlock(p Place) int { return l.SlotStart(p) + l.marks }

// ImageBlock returns the first block of the image in a slot, behind a head of so
// many bytes.
func (l Layout) ImageBlock(p Place, head int) int { return l.HeadBlock(p) + l.blocks(head) }

// fits reports whether a slot has room for a head and an image.
func (l Layout) fits(head, image int) bool {
	return l.marks+l.blocks(head)+l.blocks(image) <= l.slot
}

func (l Layout) addr(block int) int64 { return int64(block) * int64(l.block) }

// markSize is the size of a mark, bytes. A mark is torn or whole: it counts only
// if every byte of it is as expected, and it can be programmed again if it is not.
//
//	0  magic "HERE"
//	4  u32 number of the chunk
//	8  the first 8 bytes of the ID of the update
const markSize = 16

func mark(id fuf.Digest, i int) []byte {
	b := append(make([]byte, 0, markSize), "HERE"...)
	return append(binary.LittleEndian.AppendUint32(b, uint32(i)), id[:8]...)
}

// readMarks returns which chunks of an update are in a slot.
func (b *Boot) readMarks(p Place, u *fuf.Update) ([]bool, error) {
	all := make([]byte, u.Chunks()*markSize)
	if err := b.flash.Read(b.layout.MarkAddr(p, 0), all); err != nil {
		return nil, fmt.Errorf("boot: marks in %v: %w", p, err)
	}
	have := make([]bool, u.Chunks())
	for i := range have {
		have[i] = string(all[i*markSize:(i+1)*markSize]) == string(mark(u.ID(), i))
	}
	return have, nil
}

// writeHead empties the marks of a slot and writes the head of a file to it.
func (b *Boot) writeHead(p Place, head []byte) error {
	for block := b.layout.SlotStart(p); block < b.layout.ImageBlock(p, len(head)); block++ {
		if err := b.flash.Erase(block); err != nil {
			return fmt.Errorf("boot: empty %v: %w", p, err)
		}
	}
	if err := flash.ProgramChecked(b.flash, b.layout.addr(b.layout.HeadBlock(p)), head); err != nil {
		return fmt.Errorf("boot: head in %v: %w", p, err)
	}
	return b.sync()
}

// writeParts writes the content of chunks to a slot and then, when all of it is
// durable, their marks. When it returns, those are durable too.
func (b *Boot) writeParts(p Place, u *fuf.Update, parts []part) error {
	if len(parts) == 0 {
		return nil
	}
	for _, part := range parts {
		if err := b.writePart(p, u, part); err != nil {
			return fmt.Errorf("boot: chunk %d: %w", part.index, err)
		}
	}
	if err := b.sync(); err != nil {
		return err
	}
	for _, part := range parts {
		if err := flash.ProgramChecked(b.flash, b.layout.MarkAddr(p, part.index), mark(u.ID(), part.index)); err != nil {
			return fmt.Errorf("boot: mark of chunk %d: %w", part.index, err)
		}
	}
	return b.sync()
}

func (b *Boot) writePart(p Place, u *fuf.Update, part part) error {
	first := b.layout.ImageBlock(p, u.HeadSize()) + part.index*(fuf.ChunkSize/b.layout.block)
	for n := range b.layout.blocks(len(part.content)) {
		// Also if it reads as erased: it may be what a torn erasure left.
		if err := b.flash.Erase(first + n); err != nil {
			return err
		}
	}
	return flash.ProgramChecked(b.flash, b.layout.addr(first), part.content)
}

func (b *Boot) sync() error {
	if err := b.flash.Sync(); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	return nil
}

// readHead reads and verifies the head of the file in a slot: it must be the one
// that the record speaks of.
func (b *Boot) readHead(p Place) (*fuf.Update, error) {
	slot := b.records.current.Slots[p]
	if !b.layout.fits(int(min(slot.Head, fuf.MaxHead)), 0) {
		return nil, fmt.Errorf("boot: head of %d bytes in %v: %w", slot.Head, p, ErrCorrupt)
	}
	head := make([]byte, slot.Head)
	if err := b.flash.Read(b.layout.addr(b.layout.HeadBlock(p)), head); err != nil {
		return nil, fmt.Errorf("boot: head in %v: %w", p, err)
	}
	u, err := b.verifier.Open(head)
	if err != nil {
		return nil, fmt.Errorf("boot: %v: %w: %w", p, ErrCorrupt, err)
	}
	if u.ID() != slot.ID {
		return nil, fmt.Errorf("boot: %v holds another update: %w", p, ErrCorrupt)
	}
	return u, nil
}

// readImage reads and verifies the firmware in a place.
func (b *Boot) readImage(p Place) (*Image, error) {
	if p == ROM {
		return b.factory, nil
	}
	u, err := b.readHead(p)
	if err != nil {
		return nil, err
	}
	encoded, err := b.readPayload(p, u)
	if err != nil {
		return nil, err
	}
	if err := b.verifier.Check(u, encoded); err != nil {
		return nil, fmt.Errorf("boot: %v: %w: %w", p, ErrCorrupt, err)
	}
	image, err := decodeFor(u, encoded)
	if err != nil {
		return nil, fmt.Errorf("boot: %v: %w: %w", p, ErrCorrupt, err)
	}
	return image, nil
}

func (b *Boot) readPayload(p Place, u *fuf.Update) ([]byte, error) {
	size := int(u.Manifest().Release.Size)
	if !b.layout.fits(u.HeadSize(), size) {
		return nil, fmt.Errorf("boot: image of %d bytes in %v: %w", size, p, ErrCorrupt)
	}
	encoded := make([]byte, size)
	if err := b.flash.Read(b.layout.addr(b.layout.ImageBlock(p, u.HeadSize())), encoded); err != nil {
		return nil, fmt.Errorf("boot: image in %v: %w", p, err)
	}
	return encoded, nil
}

// decodeFor decodes the payload of an update.
func decodeFor(u *fuf.Update, encoded []byte) (*Image, error) {
	image, err := DecodeImage(encoded)
	if err != nil {
		return nil, err
	}
	release := u.Manifest().Release
	return image, image.fits(&release)
}
