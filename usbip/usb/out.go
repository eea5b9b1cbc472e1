package usb

import "context"

// OutEndpoint is the function's side of an endpoint that receives from the host.
type OutEndpoint endpoint

// Read receives one transfer into p and returns its length. The transfer ends at
// a short or zero-length packet and may span several URBs of the host; until
// there is one, Read waits. Concurrent calls take turns.
//
// Errors: ErrOverrun if the transfer is longer than p, of which p then holds the
// beginning; ErrReset once after each reset of the endpoint, with n = 0 and
// before any data that came after the reset, even if no data was lost; the error
// of ctx, with the n bytes that had arrived by then, where the next Read goes on
// with the rest of the transfer.
func (o *OutEndpoint) Read(ctx context.Context, p []byte) (n int, err error) {
	e := (*endpoint)(o)
	if err := e.enter(ctx); err != nil {
		return 0, err
	}
	defer e.leave()
	for {
		var over bool
		n, over, err = e.read(p, n)
		if over {
			return n, err
		}
		if err := e.wait(ctx); err != nil {
			return n, err
		}
	}
}

// read takes what is pending; p already holds n bytes of the transfer.
func (e *endpoint) read(p []byte, n int) (total int, over bool, err error) {
	e.dev.mu.Lock()
	defer e.dev.release()
	if e.wasReset {
		e.wasReset = false
		return 0, true, ErrReset
	}
	packet := int(e.is.MaxPacketSize)
	for u := e.urbs.pop(); u != nil; u = e.urbs.pop() {
		copied := copy(p[n:], u.Buffer)
		n += copied
		e.overrun = e.overrun || copied < len(u.Buffer)
		last := len(u.Buffer)%packet != 0 || len(u.Buffer) == 0 || u.Flags&ZeroPacket != 0
		e.dev.finish(u, len(u.Buffer), OK)
		if last {
			return n, true, e.endTransfer()
		}
	}
	return n, false, nil
}

func (e *endpoint) endTransfer() error {
	if e.overrun {
		e.overrun = false
		return ErrOverrun
	}
	return nil
}

// Halt stalls the endpoint: pending and later URBs end with EPIPE until the host
// clears the halt, configures the device or resets it. While the endpoint is not
// configured, Halt does nothing.
func (o *OutEndpoint) Halt() { (*endpoint)(o).haltLocked() }
