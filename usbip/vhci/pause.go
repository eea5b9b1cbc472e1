package vhci

import (
	"math/rand/v2"
	"time"
)

// Pause says how long a Supervisor waits before it tries again. Each pause in a
// row is twice as long as the one before, and of each a random part, up to half,
// is left out, so that hosts which lost one server do not come back all at once.
// Zero fields take the value in brackets.
type Pause struct {
	First  time.Duration // [100 ms]
	Most   time.Duration // [5 s]
	Stable time.Duration // an attachment that lasts so long starts the row anew [5 s]
}

func (p Pause) withDefaults() Pause {
	for _, field := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{
		{&p.First, 100 * time.Millisecond},
		{&p.Most, 5 * time.Second},
		{&p.Stable, 5 * time.Second},
	} {
		if *field.value <= 0 {
			*field.value = field.otherwise
		}
	}
	return p
}

// after returns the pause after so many attempts in a row that failed, and at
// least one.
func (p Pause) after(failures int) time.Duration {
	d := p.First
	for range failures - 1 {
		if d >= p.Most {
			break
		}
		d *= 2
	}
	d = min(d, p.Most)
	return d - rand.N(d/2+1)
}
