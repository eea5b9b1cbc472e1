package store

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/flash"
)

// ring is the log: a stream of batches that runs through the blocks of the
// chip behind the root key's, round and round. A position counts the bytes of
// the stream from its very beginning, block headers left out, so that block
// seq holds the positions from seq*room on.
type ring struct {
	flash    flash.Device
	blocks   uint64 // in the ring
	room     uint64 // bytes of a block behind its header
	maxBatch int    // bytes of the largest batch

	pos      uint64 // where the next batch goes
	cut      uint16 // unit at which the log leaves the newest block
	next     uint64 // the block to be opened next
	tail     uint64 // the oldest block that is needed
	recorded uint64 // the tail as the newest block header has it
	erased   uint64 // the oldest block that is not erased
	steady   uint64 // from this block on, what is opened was erased since power-on
	batch    uint64 // the newest batch
	last     uint64 // the block in which it begins
	unsynced bool   // a seal may not be durable yet

	keys    [][]string // by place in the ring: keys put by batches that begin in the block
	starts  []bool     // by place in the ring: a batch begins in the block
	scratch []byte
}

// The ring's shares. Batches are small against the ring, so that what is kept
// free for them is, too.
const (
	rootBlocks     = 2
	minRing        = 24      // blocks
	minBlock       = 256     // bytes
	maxBlock       = 1 << 19 // bytes; its units are counted in 16 bits
	largestBatch   = 1 << 17 // bytes
	batchesPerRing = 16
)

// errNoBlock reports that the spare blocks did not suffice: a defect here.
var errNoBlock = errors.New("no erased block is left")

func newRing(f flash.Device) (*ring, error) {
	g := f.Geometry()
	if err := g.Check(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	size := g.BlockSize()
	if size < minBlock || size > maxBlock || g.Blocks < rootBlocks+minRing {
		return nil, fmt.Errorf("store: a chip of %v: needs %d blocks or more of %d to %d bytes",
			g, rootBlocks+minRing, minBlock, maxBlock)
	}
	l := &ring{flash: f, blocks: uint64(g.Blocks - rootBlocks), room: uint64(size - blockHeaderSize)}
	l.maxBatch = min(largestBatch, int(l.blocks*l.room)/batchesPerRing/unit*unit)
	l.cut = l.units()
	l.keys = make([][]string, l.blocks)
	l.starts = make([]bool, l.blocks)
	return l, nil
}

// units returns the units of a block. As a cut it means that the log runs on
// into the next block, as a first that no batch begins in the block.
func (l *ring) units() uint16 { return uint16((l.room + blockHeaderSize) / unit) }

// place returns where in the ring a block is.
func (l *ring) place(seq uint64) int { return int(seq % l.blocks) }

// physical returns the number of a block on the chip.
func (l *ring) physical(seq uint64) int { return rootBlocks + l.place(seq) }

// base returns the chip address of a block.
func (l *ring) base(seq uint64) int64 {
	return int64(l.physical(seq)) * int64(l.room+blockHeaderSize)
}

// addr returns the chip address of a position.
func (l *ring) addr(pos uint64) int64 {
	return l.base(pos/l.room) + blockHeaderSize + int64(pos%l.room)
}

// unitOf returns the unit of its block at which a position lies.
func (l *ring) unitOf(pos uint64) uint16 {
	return uint16((blockHeaderSize + pos%l.room) / unit)
}

// extent is the part of the stream that a batch takes.
type extent struct{ number, begin, end uint64 }

// append writes a batch and its seal behind the log, and returns the block in
// which it begins. It is durable only after flush.
func (l *ring) append(body []byte) (home uint64, err error) {
	x := extent{number: l.batch + 1, begin: l.pos, end: l.pos + uint64(framed(len(body)))}
	home = l.pos / l.room
	l.scratch = appendBatch(l.scratch[:0], x.number, body)
	if err := l.write(l.scratch, x); err != nil {
		return 0, err
	}
	// A medium may reorder what is written to different blocks. The seal
	// vouches for the whole batch, so it waits for parts in other blocks.
	if l.pos/l.room != home {
		if err := l.flash.Sync(); err != nil {
			return 0, err
		}
	}
	if err := l.write(seal(x.number), x); err != nil {
		return 0, err
	}
	l.batch, l.last, l.unsynced = x.number, home, true
	l.starts[l.place(home)] = true
	return home, nil
}

// write programs a part of a batch, opening blocks as it comes to them.
func (l *ring) write(p []byte, x extent) error {
	for len(p) > 0 {
		if l.pos == l.next*l.room {
			if err := l.open(x); err != nil {
				return err
			}
		}
		n := min(uint64(len(p)), l.room-l.pos%l.room)
		if err := flash.ProgramChecked(l.flash, l.addr(l.pos), p[:n]); err != nil {
			return err
		}
		l.pos, p = l.pos+n, p[n:]
	}
	return nil
}

// open begins the next block, which is erased, while a batch is written.
func (l *ring) open(x extent) error {
	if l.next-l.erased >= l.blocks {
		return errNoBlock
	}
	// The header vouches for the batches before this one.
	if l.unsynced {
		if err := l.flash.Sync(); err != nil {
			return err
		}
		l.unsynced = false
	}
	if l.next < l.steady {
		// It reads as erased, but that may be what a torn erasure left.
		if err := l.flash.Erase(l.physical(l.next)); err != nil {
			return err
		}
	}
	h := blockHeader{
		seq:   l.next,
		batch: x.number,
		span:  uint32(l.next - l.tail),
		cut:   l.cut,
		first: l.units(),
	}
	if start := l.next * l.room; x.begin == start {
		h.first = l.unitOf(start)
	} else if x.end < start+l.room {
		h.first = l.unitOf(x.end)
	}
	if err := flash.ProgramChecked(l.flash, l.base(l.next), h.encode()); err != nil {
		return err
	}
	l.keys[l.place(l.next)], l.starts[l.place(l.next)] = nil, false
	l.recorded, l.cut = l.tail, l.units()
	l.next++
	return nil
}

// flush makes everything durable. Then the blocks that are no longer needed,
// as the medium now knows, are erased.
func (l *ring) flush() error {
	if err := l.flash.Sync(); err != nil {
		return err
	}
	l.unsynced = false
	for ; l.erased < l.recorded; l.erased++ {
		if err := l.flash.Erase(l.physical(l.erased)); err != nil {
			return err
		}
	}
	return nil
}

// leave gives up what is left of the newest block.
func (l *ring) leave() {
	if l.pos < l.next*l.room {
		l.cut = l.unitOf(l.pos)
		l.pos = l.next * l.room
	}
}

// settle notes in which block the record of a key is.
func (l *ring) settle(key string, e *entry, home uint64) {
	e.home = home
	l.keys[l.place(home)] = append(l.keys[l.place(home)], key)
}

// free returns how many erased blocks are left when size more bytes are written.
func (l *ring) free(size int) int64 {
	opened := int64((l.pos+uint64(size)+l.room-1)/l.room) - int64(l.next)
	return int64(l.blocks) - int64(l.next-l.erased) - max(0, opened)
}

// blocksFor returns how many blocks size bytes can touch.
func (l *ring) blocksFor(size int) int64 { return int64(size)/int64(l.room) + 2 }

// spare is how many blocks stay erased, so that the tail can always be moved
// forward: it may write a whole batch before a block comes free, and that
// block only after the next one has been opened.
func (l *ring) spare() int64 { return 2*l.blocksFor(l.maxBatch) + 4 }

// slack is how many blocks are never counted as room: what is spare, the batch
// to be written, and an eighth of the ring so that moving the tail pays.
func (l *ring) slack() int64 {
	return int64(l.blocks)/8 + l.blocksFor(l.maxBatch) + l.spare()
}

// reserve is how many bytes are kept for updates when the store is full.
func (l *ring) reserve() int64 { return int64(l.blocks*l.room) / 64 }

// capacity is how many bytes records may take.
func (l *ring) capacity() int64 {
	return (int64(l.blocks)-l.slack())*int64(l.room) - l.reserve()
}
