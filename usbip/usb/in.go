package usb

import "context"

// InEndpoint is the function's side of an endpoint that sends to the host.
type InEndpoint endpoint

// Write sends p as one transfer, ended by a short packet or, where len(p) is a
// multiple of wMaxPacketSize (an empty p is one), by a zero-length packet. It
// waits for the URBs of the host, copies into them, and returns when the host
// has the last packet. Concurrent calls take turns.
//
// Errors: ErrReset if the endpoint was reset during the call, where the rest of
// p is dropped; ErrOverrun if a packet met a URB with too little room, where the
// URB ended with EOVERFLOW and the rest of p is dropped; the error of ctx, where
// the host may have a part of p and no end of the transfer.
func (i *InEndpoint) Write(ctx context.Context, p []byte) error {
	e := (*endpoint)(i)
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	e.begin()
	defer e.end()
	for {
		var over bool
		var err error
		p, over, err = e.write(p)
		if over {
			return err
		}
		if err := e.wait(ctx); err != nil {
			return err
		}
	}
}

func (e *endpoint) begin() {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	e.busy, e.wasReset = true, false
}

func (e *endpoint) end() {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	e.busy = false
}

// write fills the pending URBs and returns what is left of the transfer. The
// transfer is over only once its short or zero-length packet has found a URB.
func (e *endpoint) write(p []byte) (rest []byte, over bool, err error) {
	e.dev.mu.Lock()
	defer e.dev.release()
	if e.wasReset {
		return nil, true, ErrReset
	}
	packet := int(e.is.MaxPacketSize)
	for u := e.urbs.pop(); u != nil; u = e.urbs.pop() {
		n := copy(u.Buffer, p)
		room := len(u.Buffer)
		switch {
		case n < len(p) && (room%packet != 0 || room == 0):
			e.dev.finish(u, n, EOVERFLOW)
			return nil, true, ErrOverrun
		case n == len(p) && (n%packet != 0 || n < room || n == 0):
			e.dev.finish(u, n, OK)
			return nil, true, nil
		}
		e.dev.finish(u, n, OK) // full: the packets that follow need another URB
		p = p[n:]
	}
	return p, false, nil
}

// Halt stalls the endpoint: pending and later URBs end with EPIPE until the host
// clears the halt, configures the device or resets it. While the endpoint is not
// configured, Halt does nothing.
func (i *InEndpoint) Halt() { (*endpoint)(i).haltLocked() }
