package device

import (
	"sync"
	"time"
)

// Clock is a clock that a person can set. A new one shows the time of this
// computer. It is safe for concurrent use; New gets its Now as Config.Clock.
type Clock struct {
	mu     sync.Mutex
	shown  time.Time // at since; the zero Time: the time of this computer
	since  time.Time
	frozen bool
}

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	switch {
	case c.shown.IsZero():
		return time.Now()
	case c.frozen:
		return c.shown
	}
	return c.shown.Add(time.Since(c.since))
}

// Set sets the clock. A frozen one stays frozen.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown, c.since = t, time.Now()
}

// Advance sets the clock forward, or back by a negative d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown, c.since = c.now().Add(d), time.Now()
}

// Freeze stops the clock, or lets it go on from what it shows.
func (c *Clock) Freeze(stop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown, c.since = c.now(), time.Now()
	c.frozen = stop
}

// Frozen reports whether the clock stands still.
func (c *Clock) Frozen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen
}
