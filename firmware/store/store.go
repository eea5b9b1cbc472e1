// Package store keeps named values on a flash chip so that they survive a loss
// of power at any moment.
//
// [Open] a store on a [flash.Device]; a blank chip becomes an empty store.
// Changes are gathered in a [Batch] and made by [Store.Commit]: all of them or
// none, durable when it returns. Reads never wait for a commit: they see the
// last one that is done.
//
// Beside the values a store has one root key, kept in two blocks of its own.
// [Store.ReplaceRootKey] is atomic like a commit, and leaves no trace of the
// old key on the chip. Values are opaque; whoever encrypts them under the root
// key can make all of them unreadable at once.
//
// The values are a log that runs around the chip as a ring, so that every
// block wears alike. Each commit is sealed by a mark programmed after it. A
// commit without its mark is the one that power interrupted, and is cut off;
// one with the mark must be intact, or the chip is refused with [ErrCorrupt]
// and not touched. docs/storage.md gives the format byte by byte.
//
// A store is safe for concurrent use.
package store

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"usbhsm7/firmware/flash"
)

// Limits of a record.
const (
	MaxKey   = 255     // bytes of a key; at least 1
	MaxValue = 1 << 16 // bytes of a value, where the chip is large enough (see [Store.MaxBatch])
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrCorrupt reports a chip that holds neither nothing nor an intact
	// store. It is left as it is.
	ErrCorrupt = errors.New("store is corrupt")
	// ErrFull reports a batch for which there is no room. Nothing has changed.
	ErrFull = errors.New("store is full")
	// ErrTooLarge reports a key, value or batch over the limits. Nothing has changed.
	ErrTooLarge = errors.New("too large for the store")
	// ErrClosed reports a change to a closed store.
	ErrClosed = errors.New("store is closed")
)

// Store is a set of named values on a flash chip.
type Store struct {
	index atomic.Pointer[index] // what readers see

	mu     sync.Mutex // held by the one writer
	log    *ring
	root   *rootRegion
	live   int64 // what the records in index cost, in bytes of the log
	debt   int64 // log bytes still to be looked through for what commits used
	failed error // why no further change is possible
}

// Usage tells how full a store is, in bytes of the log. A record takes its
// key, its value and about 48 bytes more.
type Usage struct {
	Total int64 // what records may take together
	Free  int64 // what is left of it
}

// Open opens the store on f, which stays the caller's to close, after the
// store. A blank chip is formatted. What an interrupted commit left behind is
// cleared away. A chip that holds something else, or a damaged store, gives
// ErrCorrupt and is not changed.
func Open(f flash.Device) (*Store, error) {
	log, err := newRing(f)
	if err != nil {
		return nil, err
	}
	found, err := log.recover()
	if err != nil {
		return nil, err
	}
	root, err := openRoot(f, found.blank)
	if err != nil {
		return nil, err
	}
	if err := log.repair(found); err != nil {
		return nil, fmt.Errorf("store: repair: %w", err)
	}
	s := &Store{log: log, root: root, live: found.live()}
	index := buildIndex(found.entries)
	for key, e := range index.from("") {
		log.settle(key, e, e.home)
	}
	s.index.Store(index)
	return s, nil
}

// Close waits for a commit in progress and refuses later ones. It does not
// close the chip.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = ErrClosed
	}
}

// Get returns a copy of the value of a key, and whether there is one.
func (s *Store) Get(key string) ([]byte, bool) {
	e := s.index.Load().get(key)
	if e == nil {
		return nil, false
	}
	return append([]byte{}, e.value...), true
}

// Keys yields the keys that begin with prefix, in ascending order of their
// bytes, as they were when the iteration began.
func (s *Store) Keys(prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range s.index.Load().from(prefix) {
			if !yield(key) {
				return
			}
		}
	}
}

// Usage tells how full the store is.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := s.log.capacity()
	return Usage{Total: total, Free: max(0, total-s.live)}
}

// MaxBatch returns the largest size a batch may have, see [Batch.Size]: a
// sixteenth of the chip, but at most 128 KiB.
func (s *Store) MaxBatch() int { return s.log.maxBatch }

// Commit makes all changes of a batch or none, and returns when they are
// durable. It fails with ErrTooLarge if the batch is over the limits, and with
// ErrFull if there is no room; then nothing has changed. A batch that leaves
// the store no fuller than before always has room, and one that overwrites
// existing keys with values a few bytes longer nearly always.
//
// Any other error comes from the chip: whether the batch was made is known
// only after the store has been opened again, and until then every further
// change fails.
func (s *Store) Commit(b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if err := b.check(s.log.maxBatch); err != nil {
		return err
	}
	if len(b.body) == 0 {
		return nil
	}
	next, live, err := s.admit(b)
	if err != nil {
		return err
	}
	if err := s.write(b, next); err != nil {
		s.failed = fmt.Errorf("store: a change failed: %w", err)
		return s.failed
	}
	s.live = live
	s.index.Store(next)
	return nil
}

// admit returns what the index and its cost become by a batch, or ErrFull.
func (s *Store) admit(b *Batch) (*index, int64, error) {
	next, live := s.index.Load(), s.live
	before := next.size
	for _, r := range b.records {
		next, live = next.apply(r, live)
	}
	limit := s.log.capacity()
	small := next.size <= before && live-s.live <= smallGrowth
	if b.reserve || small {
		limit += s.log.reserve()
	}
	if live > limit && live > s.live {
		return nil, 0, fmt.Errorf("store: %d bytes of %d in use, batch adds %d: %w",
			s.live, limit, live-s.live, ErrFull)
	}
	return next, live, nil
}

// write makes room, appends the batch, and returns when it is durable.
func (s *Store) write(b *Batch, next *index) error {
	size := framed(len(b.body))
	if err := s.makeRoom(size); err != nil {
		return err
	}
	home, err := s.log.append(b.body)
	if err != nil {
		return err
	}
	for _, r := range b.records {
		if e := next.get(r.key); r.op == opPut && e == r.entry {
			s.log.settle(r.key, e, home)
		}
	}
	return s.log.flush()
}

// smallGrowth is how many bytes an update of existing keys may add when only
// the reserve is left: room for a counter to gain a digit.
const smallGrowth = 64
