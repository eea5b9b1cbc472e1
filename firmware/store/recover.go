package store

import (
	"fmt"
	"maps"
	"strings"

	"usbhsm7/firmware/flash"
)

// found is what recovery learns from the chip without changing it.
type found struct {
	headers []blockHeader // by place in the ring
	valid   []bool        // by place in the ring: there is a block header that belongs there
	newest  uint64        // the newest block with a header, if any is valid

	log     chain
	entries map[string]*entry
	dirty   []int // blocks on the chip that are not in use but not erased
	blank   bool  // every block of the ring is erased
}

// chain is the part of the log that holds. The zero value is an empty log.
type chain struct {
	tail, next uint64   // its blocks: from tail to the one before next
	end        uint64   // position behind the newest batch
	batch      uint64   // its number
	last       uint64   // the block in which it begins
	starts     []uint64 // the blocks in which batches begin
	unfinished bool     // the seal needs finishing
	clean      bool     // what follows in the newest block is erased
}

func (f *found) live() (n int64) {
	for key, e := range f.entries {
		n += cost(key, e.value)
	}
	return n
}

// recover finds the log on the chip and replays it. It changes nothing.
func (l *ring) recover() (*found, error) {
	f := &found{entries: map[string]*entry{}}
	for _, step := range []func(*found) error{l.readHeaders, l.findLog, l.checkLater, l.inspectRest} {
		if err := step(f); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	return f, nil
}

// maxSeq is a block number that no chip lives to see; positions cannot overflow
// before it.
const maxSeq = 1 << 40

func (l *ring) readHeaders(f *found) error {
	f.headers = make([]blockHeader, l.blocks)
	f.valid = make([]bool, l.blocks)
	b := make([]byte, blockHeaderSize)
	for i := range f.headers {
		if err := l.flash.Read(l.base(uint64(i)), b); err != nil {
			return err
		}
		h, ok := parseBlockHeader(b)
		if !ok || l.place(h.seq) != i || h.seq > maxSeq {
			continue
		}
		f.headers[i], f.valid[i] = h, true
		f.newest = max(f.newest, h.seq)
	}
	return nil
}

// findLog looks for the newest block with which the log holds. A batch that was
// cut short may have opened blocks; without them the newest block is an older
// one, with its own tail.
func (l *ring) findLog(f *found) error {
	oldest := int64(f.newest) - int64(l.blocks)
	for head := int64(f.newest); head >= 0 && head > oldest; head-- {
		if !l.connected(f, uint64(head)) {
			continue
		}
		c, err := l.replay(f, uint64(head))
		if err != nil {
			return err
		}
		if c.next == uint64(head)+1 || c.next == 0 {
			f.log = c
			break
		}
		head = int64(c.next) // go on with the block before it
	}
	return nil
}

// connected reports whether a block and all those that it needs are there.
func (l *ring) connected(f *found, head uint64) bool {
	span := uint64(f.headers[l.place(head)].span)
	if span >= l.blocks || span > head {
		return false
	}
	for seq := head - span; seq <= head; seq++ {
		if !f.valid[l.place(seq)] || f.headers[l.place(seq)].seq != seq {
			return false
		}
	}
	return true
}

// replay reads the log that ends in a head block, and tells how much of it holds.
func (l *ring) replay(f *found, head uint64) (chain, error) {
	r := reader{ring: l, found: f, head: head}
	if err := r.begin(); err != nil {
		return chain{}, err
	}
	clear(f.entries)
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

// checkLater looks at the blocks behind the log. They are of the batch that was
// cut short, in which case any of them may be missing; or the log goes on and
// decay has hit it.
func (l *ring) checkLater(f *found) error {
	for i, h := range f.headers {
		if !f.valid[i] || h.seq < f.log.next {
			continue
		}
		if h.batch != f.log.batch+1 || h.starts() && h.seq != f.log.next {
			return fmt.Errorf("batch %d cannot be read although block %d of the log, at %#x, follows it: %w",
				f.log.batch+1, h.seq, l.base(h.seq), ErrCorrupt)
		}
	}
	return nil
}

// inspectRest looks through all that is not part of the log. A seal there that
// is newer than the log proves that a batch was lost to decay.
func (l *ring) inspectRest(f *found) error {
	f.blank = true
	block := make([]byte, l.room+blockHeaderSize)
	for i := range l.blocks {
		h := f.headers[i]
		inLog := f.valid[i] && h.seq >= f.log.tail && h.seq < f.log.next
		f.blank = f.blank && !inLog
		if inLog && h.seq+1 < f.log.next {
			continue
		}
		if err := l.flash.Read(l.base(i), block); err != nil {
			return err
		}
		rest := block
		if inLog {
			rest = block[f.log.end-h.seq*l.room+blockHeaderSize:]
			f.log.clean = flash.IsErased(rest)
		}
		if flash.IsErased(rest) {
			continue
		}
		f.blank = false
		if n, ok := newerSeal(rest, f.log.batch); ok {
			return fmt.Errorf("batch %d, near %#x, is sealed but cannot be read: %w", n, l.base(i), ErrCorrupt)
		}
		if !inLog {
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
