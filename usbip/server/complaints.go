package server

import (
	"log/slog"
	"sync"
	"time"
)

// Warnings that strangers can cause: so many at once, and then one in a while.
const (
	complaintsAtOnce = 100
	complaintPause   = time.Second
)

// complaints writes warnings that strangers can cause, but not as many as they
// can cause. What it leaves out it counts, and tells with the next.
type complaints struct {
	mu    sync.Mutex
	used  int       // of complaintsAtOnce
	since time.Time // when one was last given back
	left  int       // left out
}

// warn writes a warning with attributes as those of package slog, or counts it.
func (c *complaints) warn(log *slog.Logger, message string, attributes ...any) {
	leftOut, ok := c.take(time.Now())
	if leftOut > 0 {
		attributes = append(attributes, "left out before", leftOut)
	}
	if ok {
		log.Warn(message, attributes...)
	}
}

// take reports whether a warning may be written, and how many were left out
// since the last.
func (c *complaints) take(now time.Time) (leftOut int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	back := int(now.Sub(c.since) / complaintPause)
	c.since = c.since.Add(time.Duration(back) * complaintPause)
	if c.used = max(0, c.used-back); c.used == 0 {
		c.since = now
	}
	if c.used == complaintsAtOnce {
		c.left++
		return 0, false
	}
	c.used++
	leftOut, c.left = c.left, 0
	return leftOut, true
}
