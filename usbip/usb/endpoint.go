package usb

import "context"

// endpoint is what endpoints of every type and direction share. The lock of the
// device guards the fields from active on.
type endpoint struct {
	dev      *Device
	address  uint8
	mayBeIso bool          // some setting makes it isochronous
	mayQueue bool          // some setting makes it bulk or interrupt
	turn     chan struct{} // holds a token while a Read or Write is under way
	wake     chan struct{} // holds a token when there may be something to do

	active   bool     // in the configuration and alternate setting in force
	is       Endpoint // as that setting describes it
	halted   bool
	urbs     queue      // pending, in order
	busy     bool       // a transfer of the function is under way
	wasReset bool       // tell the function
	overrun  bool       // the rest of an OUT transfer is being dropped
	serve    func(*URB) // finishes a URB; nil unless the function streams

	// While it is isochronous.
	source    func(room int) []byte
	sink      func(packet []byte)
	moving    bool   // a goroutine is moving packets
	nextFrame uint64 // where the stream goes on, in the unit of Device.frame
}

func newEndpoint(d *Device, address uint8) *endpoint {
	return &endpoint{dev: d, address: address, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// enter waits until no other transfer of the function is under way.
func (e *endpoint) enter(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *endpoint) leave() { <-e.turn }

// wait waits for a signal.
func (e *endpoint) wait(ctx context.Context) error {
	select {
	case <-e.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrived has a URB that was queued served at once by a stream, or by the
// transfer of the function that waits for it. A reset comes first: the function
// has to hear of it.
func (e *endpoint) arrived() {
	if e.serve != nil && !e.wasReset {
		e.servePending()
		return
	}
	e.signal()
}

// signal wakes the function's transfer, if there is one.
func (e *endpoint) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// abort ends every pending URB.
func (e *endpoint) abort(s Status) {
	for u := e.urbs.pop(); u != nil; u = e.urbs.pop() {
		e.dev.finish(u, 0, s)
	}
}

// reset forgets the transfer under way and tells the function. An OUT function
// is told in any case, because it may hold the beginning of a message that came
// in several transfers; an IN function only if it is writing, for what it writes
// later is meant for whoever listens then.
func (e *endpoint) reset() {
	e.halted, e.overrun = false, false
	e.wasReset = e.busy || e.address&DirIn == 0
	e.signal()
}

// halt stalls the endpoint until the host clears the halt. An isochronous one has
// no handshake, so there is nothing to stall (USB 2.0 section 5.6.4).
func (e *endpoint) halt() {
	if e.active && e.is.Type != Isochronous {
		e.halted = true
		e.abort(EPIPE)
	}
}

func (e *endpoint) clearHalt() { e.reset() }

func (e *endpoint) haltLocked() {
	e.dev.mu.Lock()
	defer e.dev.release()
	e.halt()
}
