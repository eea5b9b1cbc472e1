package fault

import (
	"errors"
	"fmt"
	"time"
)

// Faults of connections. They keep every byte and its place, but for Cut.

// Split makes small pieces of what is read and written, each of a random length.
type Split struct {
	Least, Most int // bytes of a piece; equal means always that length
}

// Bandwidth limits each direction of a connection.
type Bandwidth struct {
	Rate int // bytes a second
}

// SlowReader is a host that takes a few bytes and then rests.
type SlowReader struct {
	Bytes int
	Rest  time.Duration
}

// Cut closes a connection, in the middle of a message where that is.
type Cut struct {
	After int // bytes, of both directions together
}

func (Split) place() place      { return onConnections }
func (Bandwidth) place() place  { return onConnections }
func (SlowReader) place() place { return onConnections }
func (Cut) place() place        { return onConnections }

// String returns the fault as a script spells it.
func (f Split) String() string {
	if f.Least == f.Most {
		return "split " + size(f.Most)
	}
	return fmt.Sprintf("split %d..%d bytes", f.Least, f.Most)
}

// String returns the fault as a script spells it.
func (f Bandwidth) String() string { return "bandwidth " + rate(f.Rate) }

// String returns the fault as a script spells it.
func (f SlowReader) String() string {
	return fmt.Sprintf("slow-reader %s every %v", size(f.Bytes), f.Rest)
}

// String returns the fault as a script spells it.
func (f Cut) String() string { return "cut after " + size(f.After) }

func (f Split) check() error {
	if f.Most < f.Least {
		return errors.New("the first limit is the smaller one")
	}
	return errors.Join(checkSize(f.Least, 1), checkSize(f.Most, 1))
}

func (f Bandwidth) check() error { return checkSize(f.Rate, 1) }
func (f Cut) check() error       { return checkSize(f.After, 0) }

func (f SlowReader) check() error {
	if f.Rest == 0 {
		return errors.New("a rest takes time")
	}
	return errors.Join(checkSize(f.Bytes, 1), checkTime(f.Rest))
}

// rate spells bytes a second.
func rate(n int) string {
	if n%1000 != 0 && n%1024 != 0 {
		return fmt.Sprintf("%dB/s", n)
	}
	return size(n) + "/s"
}
