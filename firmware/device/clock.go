package device

import (
	"context"
	"sync"
	"time"
)

// Clock is a clock that a person can set. A new one shows the time of this
// computer. It is safe for concurrent use; New gets its Now, Wait and Set in Config.
type Clock struct {
	mu      sync.Mutex
	shown   time.Time // at since; the zero Time: the time of this computer
	since   time.Time
	frozen  bool
	changed chan struct{} // closed when the clock is handled; nil: nobody waits
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

// Wait waits until the clock shows a time, be it that the time has come or that
// somebody has set the clock; or until ctx ends, which is its error.
func (c *Clock) Wait(ctx context.Context, until time.Time) error {
	for {
		left, frozen, changed := c.left(until)
		if left <= 0 {
			return nil
		}
		if err := wait(ctx, left, frozen, changed); err != nil {
			return err
		}
	}
}

// left returns how long the clock has to go to a time, whether it stands still,
// and what tells that this is no longer so.
func (c *Clock) left(until time.Time) (left time.Duration, frozen bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return until.Sub(c.now()), c.frozen, c.changed
}

// wait waits for a duration, unless the clock is frozen, or for a change.
func wait(ctx context.Context, d time.Duration, frozen bool, changed <-chan struct{}) error {
	var over <-chan time.Time
	if !frozen {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// handled tells those who wait; mu is held.
func (c *Clock) handled() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// Set sets the clock. A frozen one stays frozen.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown, c.since = t, time.Now()
	c.handled()
}

// Advance sets the clock forward, or back by a negative d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown, c.since = c.now().Add(d), time.Now()
	c.handled()
}

// Freeze stops the clock, or lets it go on from what it shows.
func (c *Clock) Freeze(stop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown, c.since = c.now(), time.Now()
	c.frozen = stop
	c.handled()
}

// Frozen reports whether the clock stands still.
func (c *Clock) Frozen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen
}
