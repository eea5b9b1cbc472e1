package sweep

import (
	"sync"

	"usbhsm7/firmware/flash"
)

// memo remembers what follows from the content of a chip, for one scenario.
type memo struct {
	off      bool
	mu       sync.Mutex
	observed map[flash.Digest]*observation
	proven   map[flash.Digest]bool // the scenario comes to its end from here
}

func newMemo(off bool) *memo {
	return &memo{off: off, observed: map[flash.Digest]*observation{}, proven: map[flash.Digest]bool{}}
}

// observation returns what observe has returned for this content, or returns now.
func (m *memo) observation(d flash.Digest, observe func() *observation) *observation {
	m.mu.Lock()
	known := m.observed[d]
	m.mu.Unlock()
	if known != nil && !m.off {
		return known
	}
	o := observe()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observed[d] = o
	return o
}

func (m *memo) isProven(d flash.Digest) bool {
	if m.off {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proven[d]
}

func (m *memo) prove(all []flash.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range all {
		m.proven[d] = true
	}
}

// distinct returns how many different states came up.
func (m *memo) distinct() int { return len(m.observed) }
