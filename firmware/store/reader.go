package store

import (
	"bytes"
	"fmt"

	"usbhsm7/firmware/flash"
)

// reader reads the batches of a log whose newest block is given, in order. It
// ends at the first one that was not sealed.
type reader struct {
	*ring
	found  *found
	head   uint64
	pos    uint64 // where the next batch should begin
	number uint64 // which number it should have
	log    chain
}

// batch is one that holds.
type batch struct {
	number uint64
	home   uint64 // block in which it begins
	body   []byte
}

func (r *reader) header(seq uint64) blockHeader { return r.found.headers[r.place(seq)] }

// begin finds the first batch that begins in the oldest block.
func (r *reader) begin() error {
	head := r.header(r.head)
	tail := head.seq - uint64(head.span)
	h := r.header(tail)
	if h.first < blockHeaderSize/unit || h.first >= r.units() {
		return fmt.Errorf("no batch begins in block %d, the oldest of the log: %w", tail, ErrCorrupt)
	}
	r.log.tail = tail
	r.pos = tail*r.room + uint64(h.first)*unit - blockHeaderSize
	r.number = h.batch
	if !h.starts() {
		r.number++
	}
	return nil
}

// next returns the next batch, or nil behind the last one that is sealed.
func (r *reader) next() (*batch, error) {
	r.advance()
	h, size, err := r.batchHeader()
	if err != nil || size == 0 {
		return nil, err
	}
	home, end := r.pos/r.room, r.pos+size
	mark := make([]byte, sealSize)
	if err := r.read(end-sealSize, mark); err != nil || flash.IsErased(mark) {
		return nil, err
	}
	body := make([]byte, h.length)
	if err := r.read(r.pos+batchHeaderSize, body); err != nil {
		return nil, err
	}
	if checksum(body) != h.check {
		return nil, fmt.Errorf("batch %d, at %#x, is sealed but damaged: %w", r.number, r.addr(r.pos), ErrCorrupt)
	}
	r.note(home, end, mark)
	return &batch{number: h.number, home: home, body: body}, nil
}

// advance follows the log into the next block where it leaves one early.
func (r *reader) advance() {
	seq := r.pos / r.room
	if seq < r.head && r.header(seq+1).cut == r.unitOf(r.pos) {
		r.pos = (seq + 1) * r.room
	}
}

// batchHeader returns the header at the position and the size of the framed
// batch, or size 0 if there is none that the blocks there are could hold.
func (r *reader) batchHeader() (h batchHeader, size uint64, err error) {
	room := (r.head+1)*r.room - r.pos
	if room < batchHeaderSize+sealSize {
		return h, 0, nil
	}
	b := make([]byte, batchHeaderSize)
	if err := r.read(r.pos, b); err != nil {
		return h, 0, err
	}
	h, ok := parseBatchHeader(b)
	if !ok {
		return h, 0, nil
	}
	if h.number != r.number {
		return h, 0, fmt.Errorf("batch %d, at %#x, should be %d: %w", h.number, r.addr(r.pos), r.number, ErrCorrupt)
	}
	if uint64(h.length) > room || uint64(framed(int(h.length))) > room {
		return h, 0, nil
	}
	return h, uint64(framed(int(h.length))), nil
}

// note adds a sealed batch to the log.
func (r *reader) note(home, end uint64, mark []byte) {
	full := seal(r.number)
	r.log.batch, r.log.last, r.log.end = r.number, home, end
	r.log.next = (end-1)/r.room + 1
	r.log.unfinished = !bytes.Equal(mark, full) && canBecome(mark, full)
	r.log.starts = append(r.log.starts, home)
	r.pos, r.number = end, r.number+1
}

// canBecome reports whether programming full over mark leaves full.
func canBecome(mark, full []byte) bool {
	for i := range full {
		if full[i]&^mark[i] != 0 {
			return false
		}
	}
	return true
}

// finish returns the log that was read. It is empty only as long as not even
// the first batch was sealed.
func (r *reader) finish() (chain, error) {
	if r.log.next > 0 {
		return r.log, nil
	}
	if r.number != 1 {
		return chain{}, fmt.Errorf("batch %d, at %#x, the first of the log, cannot be read: %w",
			r.number, r.addr(r.pos), ErrCorrupt)
	}
	return chain{}, nil
}

// read reads from the stream at a position.
func (r *reader) read(pos uint64, p []byte) error {
	for len(p) > 0 {
		n := min(uint64(len(p)), r.room-pos%r.room)
		if err := r.flash.Read(r.addr(pos), p[:n]); err != nil {
			return err
		}
		pos, p = pos+n, p[n:]
	}
	return nil
}
