package store

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Operations of a record.
const (
	opPut          = 1
	opDelete       = 2
	opDeletePrefix = 3
)

// recordHeader is the size of what precedes key and value in a record.
const recordHeader = 8

// Batch gathers changes that are made together, in the order of the calls. The
// zero value is an empty batch. A batch is used by one goroutine at a time.
type Batch struct {
	body    []byte // the records as the log has them
	records []record
	reserve bool
	err     error // the first record over the limits
}

// record is one change.
type record struct {
	op    byte
	key   string
	entry *entry // opPut
}

// entry is the value of a key. All but home never changes.
type entry struct {
	value []byte
	home  uint64 // sequence number of the block in which its batch starts; the writer's
}

// Put sets a key to a copy of value. Keys have 1 to MaxKey bytes, values at
// most MaxValue; Commit reports what is over the limits.
func (b *Batch) Put(key string, value []byte) { b.add(opPut, key, value) }

// Delete removes a key. That there is none is no error.
func (b *Batch) Delete(key string) { b.add(opDelete, key, nil) }

// DeletePrefix removes every key that begins with prefix, all keys for "". It
// takes as little room as a Delete.
func (b *Batch) DeletePrefix(prefix string) { b.add(opDeletePrefix, prefix, nil) }

// UseReserve lets the batch take what is kept back when the store is full. It
// is for what must be written even then, such as a first failed login.
func (b *Batch) UseReserve() { b.reserve = true }

// Size returns the bytes that the batch takes in the log.
func (b *Batch) Size() int { return framed(len(b.body)) }

func (b *Batch) add(op byte, key string, value []byte) {
	if err := checkRecord(op, len(key), len(value)); err != nil {
		if b.err == nil {
			b.err = fmt.Errorf("store: %w: %w", err, ErrTooLarge)
		}
		return
	}
	r := record{op: op, key: strings.Clone(key)}
	b.body = append(b.body, op, byte(len(key)), 0, 0)
	b.body = binary.LittleEndian.AppendUint32(b.body, uint32(len(value)))
	b.body = append(b.body, key...)
	b.body = append(b.body, value...)
	if op == opPut {
		end := len(b.body)
		r.entry = &entry{value: b.body[end-len(value) : end : end]}
	}
	b.records = append(b.records, r)
}

// check reports whether the batch is within the limits.
func (b *Batch) check(limit int) error {
	if b.err != nil {
		return b.err
	}
	if b.Size() > limit {
		return fmt.Errorf("store: batch of %d bytes, limit %d: %w", b.Size(), limit, ErrTooLarge)
	}
	return nil
}

// checkRecord reports whether a record is within the limits.
func checkRecord(op byte, key, value int) error {
	switch {
	case key > MaxKey || key == 0 && op != opDeletePrefix:
		return fmt.Errorf("key of %d bytes, allowed 1 to %d", key, MaxKey)
	case value > MaxValue || value > 0 && op != opPut:
		return fmt.Errorf("value of %d bytes, allowed 0 to %d", value, MaxValue)
	}
	return nil
}

// parseRecords takes a batch's body apart. The values are parts of it.
func parseRecords(body []byte) ([]record, error) {
	var records []record
	for len(body) > 0 {
		r, n, err := parseRecord(body)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records), err)
		}
		records, body = append(records, r), body[n:]
	}
	return records, nil
}

func parseRecord(b []byte) (r record, size int, err error) {
	if len(b) < recordHeader {
		return r, 0, fmt.Errorf("%d bytes left, header takes %d", len(b), recordHeader)
	}
	r.op = b[0]
	key, value := int(b[1]), binary.LittleEndian.Uint32(b[4:])
	if r.op < opPut || r.op > opDeletePrefix || b[2] != 0 || b[3] != 0 {
		return r, 0, fmt.Errorf("unknown kind % x", b[:4])
	}
	if err := checkRecord(r.op, key, int(min(value, MaxValue+1))); err != nil {
		return r, 0, err
	}
	size = recordHeader + key + int(value)
	if len(b) < size {
		return r, 0, fmt.Errorf("%d bytes left, record takes %d", len(b), size)
	}
	r.key = string(b[recordHeader : recordHeader+key])
	if r.op == opPut {
		r.entry = &entry{value: b[recordHeader+key : size : size]}
	}
	return r, size, nil
}

// cost is what a record takes in the log when it stands in a batch alone.
func cost(key string, value []byte) int64 {
	return int64(framed(recordHeader + len(key) + len(value)))
}
