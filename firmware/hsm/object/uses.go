package object

import "sync/atomic"

// Uses counts the uses of a key that has a limit. Several callers may use it at
// once. What is kept durably is never below what was used: the caller keeps more
// before it lets a use go ahead.
type Uses struct {
	used, kept, limit atomic.Uint64
}

// NewUses returns a counter of which used are gone, with a limit.
func NewUses(used, limit uint64) *Uses {
	u := new(Uses)
	u.used.Store(used)
	u.kept.Store(used)
	u.limit.Store(limit)
	return u
}

// Take counts one use, unless the limit is reached. It returns how many there
// were with this one.
func (u *Uses) Take() (n uint64, ok bool) {
	for {
		n = u.used.Load()
		if n >= u.limit.Load() {
			return n, false
		}
		if u.used.CompareAndSwap(n, n+1) {
			return n + 1, true
		}
	}
}

// Used returns the uses so far.
func (u *Uses) Used() uint64 { return u.used.Load() }

// Kept returns the uses that are kept durably.
func (u *Uses) Kept() uint64 { return u.kept.Load() }

// Keep says that n uses are kept durably.
func (u *Uses) Keep(n uint64) { u.kept.Store(n) }

// Limit returns the most uses there may be.
func (u *Uses) Limit() uint64 { return u.limit.Load() }

// SetLimit changes the limit.
func (u *Uses) SetLimit(limit uint64) { u.limit.Store(limit) }

func (u *Uses) spent() bool { return u != nil && u.used.Load() >= u.limit.Load() }
