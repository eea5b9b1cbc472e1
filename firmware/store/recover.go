package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// found is what recovery learns from the chip without changing it.
type found struct {
	headers []blockHeader // by place in the ring
	valid   []bool        // by place in the ring: there is a block header that belongs there
	newest  uint64        // the newest block with a header, if any is valid

	log     chain
	dirty   []int // blocks on the chip that are free but not erased
	blank   bool  // every block of the ring is erased
	entries map[string]*entry
}

// chain is the part of the log that holds, read from the tail on.
type chain struct {
	exists     bool
	tail, head uint64
	end        uint64 // position behind the newest batch
	batch      uint64 // its number
	last       uint64 // the block in which it begins
	unfinished bool   // its seal needs finishing
	clean      bool   // what follows in the head is erased
	starts     []uint64
}

func (f *found) live() (n int64) {
	for key, e := range f.entries {
		n += cost(key, e.value)
	}
	return n
}

// recover finds the log on the chip and replays it. It changes nothing.
func (l *ring) recover() (*found, error) {
	f := &found{}
	if err := l.readHeaders(f); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	exists := slices.Contains(f.valid, true)
	for head := f.newest; exists; {
		// A batch that was cut short may have opened blocks. Without
		// them the head is an older block, with its own tail.
		c, err := l.replay(f, head)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		f.log, exists = c, c.exists
		if c.head == head {
			break
		}
		head = c.head
	}
	if !f.log.exists {
		f.entries = map[string]*entry{}
	}
	if err := l.inspectRest(f); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return f, nil
}

func (l *ring) readHeaders(f *found) error {
	f.headers = make([]blockHeader, l.blocks)
	f.valid = make([]bool, l.blocks)
	b := make([]byte, blockHeaderSize)
	for i := range f.headers {
		if err := l.flash.Read(l.base(uint64(i)), b); err != nil {
			return err
		}
		h, ok := parseBlockHeader(b)
		if !ok || l.place(h.seq) != i {
			continue
		}
		f.headers[i], f.valid[i] = h, true
		f.newest = max(f.newest, h.seq)
	}
	return nil
}

// replay reads the log that ends in a head block, and tells how much of it holds.
func (l *ring) replay(f *found, head uint64) (chain, error) {
	r := reader{ring: l, found: f, head: head}
	if err := r.begin(); err != nil {
		return chain{}, err
	}
	f.entries = map[string]*entry{}
	for {
		b, err := r.next()
		if err != nil {
			return chain{}, err
		}
		if b == nil {
			return r.finish()
		}
		if err := f.apply(b); err != nil {
			return chain{}, err
		}
	}
}

// apply makes the changes of a batch.
func (f *found) apply(b *batch) error {
	records, err := parseRecords(b.body)
	if err != nil {
		return fmt.Errorf("batch %d: %w: %w", b.number, err, ErrCorrupt)
	}
	for _, r := range records {
		switch r.op {
		case opPut:
			r.entry.home = b.home
			f.entries[r.key] = r.entry
		case opDelete:
			delete(f.entries, r.key)
		case opDeletePrefix:
			maps.DeleteFunc(f.entries, func(key string, _ *entry) bool { return strings.HasPrefix(key, r.key) })
		}
	}
	return nil
}

// inspectRest looks through all that is not part of the log. A seal there that
// is newer than the log proves that a batch was lost to decay.
func (l *ring) inspectRest(f *found) error {
	c := &f.log
	block := make([]byte, l.room+blockHeaderSize)
	f.blank = true
	for i := range l.blocks {
		if err := l.flash.Read(l.base(i), block); err != nil {
			return err
		}
		rest := block
		h := f.headers[i]
		inLog := c.exists && f.valid[i] && h.seq >= c.tail && h.seq <= c.head
		if inLog {
			f.blank = false
			if h.seq != c.head {
				continue
			}
			rest = block[min(len(block), int(c.end-h.seq*l.room)+blockHeaderSize):]
		}
		if isErased(rest) {
			c.clean = c.clean || inLog
			continue
		}
		f.blank = false
		if n, ok := newerSeal(rest, c.batch); ok {
			return fmt.Errorf("batch %d is sealed but cannot be read, near %#x: %w", n, l.base(i), ErrCorrupt)
		}
		if !inLog && !(f.valid[i] && h.seq > c.head) {
			f.dirty = append(f.dirty, rootBlocks+int(i))
		}
	}
	return nil
}

// newerSeal looks for the seal of a batch after the given one.
func newerSeal(p []byte, than uint64) (uint64, bool) {
	for ; len(p) >= sealSize; p = p[unit:] {
		if n, ok := parseSeal(p); ok && n > than {
			return n, true
		}
	}
	return 0, false
}
