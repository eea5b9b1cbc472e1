package store

import (
	"fmt"
	"sync/atomic"

	"usbhsm7/firmware/flash"
)

// RootKeySize is the size of the root key in bytes.
const RootKeySize = 32

const (
	rootMagic   = "HSM7ROOT"
	rootVersion = 1
	rootSize    = 64
)

// rootRegion is the first two blocks of the chip, each with a copy of the root
// record. The first is always the one that is renewed first.
type rootRegion struct {
	flash   flash.Device
	current atomic.Pointer[rootRecord]
}

// rootRecord holds the root key.
type rootRecord struct {
	generation uint64 // how often the key was replaced
	set        bool   // there is a key
	key        [RootKeySize]byte
}

// rootCopy is what one block of the region holds.
type rootCopy struct {
	record rootRecord
	intact bool
	erased bool
}

// RootKey returns the root key, or nil if none was ever set.
func (s *Store) RootKey() []byte {
	r := s.root.current.Load()
	if !r.set {
		return nil
	}
	return append([]byte(nil), r.key[:]...)
}

// ReplaceRootKey sets the root key, of RootKeySize bytes. When it returns the
// new key is durable and no bit of the old one is left on the chip. If power
// fails in between, the next Open finds either key and completes the change.
// An error means what it means for Commit.
func (s *Store) ReplaceRootKey(key []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if len(key) != RootKeySize {
		return fmt.Errorf("store: root key of %d bytes, must be %d", len(key), RootKeySize)
	}
	next := rootRecord{generation: s.root.current.Load().generation + 1, set: true}
	copy(next.key[:], key)
	for i := range rootBlocks {
		if err := s.root.write(i, next); err != nil {
			s.failed = fmt.Errorf("store: replacing the root key failed: %w", err)
			return s.failed
		}
	}
	s.root.current.Store(&next)
	return nil
}

// openRoot reads the root record and renews copies that are stale or damaged.
// If the log is blank the chip may be, too; then it is formatted.
func openRoot(f flash.Device, blank bool) (*rootRegion, error) {
	r := &rootRegion{flash: f}
	var copies [rootBlocks]rootCopy
	for i := range copies {
		var err error
		if copies[i], err = r.read(i); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	current, err := pick(copies, blank)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	for i, c := range copies {
		if c.intact && c.record == current {
			continue
		}
		if err := r.write(i, current); err != nil {
			return nil, fmt.Errorf("store: root key: %w", err)
		}
	}
	r.current.Store(&current)
	return r, nil
}

// pick returns the record that counts.
func pick(c [rootBlocks]rootCopy, blank bool) (rootRecord, error) {
	first, second := c[0].record, c[1].record
	switch {
	case c[0].intact && c[1].intact && first.generation == second.generation && first != second:
		return rootRecord{}, fmt.Errorf("two root keys of one generation: %w", ErrCorrupt)
	case c[0].intact && (!c[1].intact || first.generation >= second.generation):
		return first, nil
	case c[1].intact:
		return second, nil
	case blank && c[1].erased:
		return rootRecord{}, nil // blank, or formatting had only begun
	default:
		return rootRecord{}, fmt.Errorf("neither copy of the root key can be read: %w", ErrCorrupt)
	}
}

func (r *rootRegion) read(i int) (rootCopy, error) {
	b := make([]byte, r.flash.Geometry().BlockSize())
	if err := r.flash.Read(int64(i*len(b)), b); err != nil {
		return rootCopy{}, err
	}
	if flash.IsErased(b) {
		return rootCopy{erased: true}, nil
	}
	record, ok, err := parseRoot(b[:rootSize])
	return rootCopy{record: record, intact: ok}, err
}

// write renews a copy. It erases first, also what reads as erased: that may be what
// a torn erasure left.
func (r *rootRegion) write(i int, record rootRecord) error {
	if err := r.flash.Erase(i); err != nil {
		return err
	}
	return r.program(i, record)
}

func (r *rootRegion) program(i int, record rootRecord) error {
	addr := int64(i) * int64(r.flash.Geometry().BlockSize())
	if err := flash.ProgramChecked(r.flash, addr, record.encode()); err != nil {
		return err
	}
	return r.flash.Sync()
}

func (r rootRecord) encode() []byte {
	b := append(make([]byte, 0, rootSize), rootMagic...)
	b = le.AppendUint32(b, rootVersion)
	b = le.AppendUint32(b, 0)
	if r.set {
		le.PutUint32(b[12:], RootKeySize)
	}
	b = le.AppendUint64(b, r.generation)
	b = append(b, r.key[:]...)
	b = le.AppendUint32(b, 0)
	return le.AppendUint32(b, checksum(b))
}

// parseRoot reads a root record. It is an error if it is one of another
// version; ok is false if it is none at all.
func parseRoot(b []byte) (r rootRecord, ok bool, err error) {
	if string(b[:8]) != rootMagic || le.Uint32(b[60:]) != checksum(b[:60]) {
		return r, false, nil
	}
	if v := le.Uint32(b[8:]); v != rootVersion {
		return r, false, fmt.Errorf("store of version %d, this is %d: %w", v, rootVersion, ErrCorrupt)
	}
	r.generation = le.Uint64(b[16:])
	r.set = le.Uint32(b[12:]) == RootKeySize
	copy(r.key[:], b[24:])
	return r, true, nil
}
