package hostdrv

import (
	"context"

	"usbhsm7/hostdrv/transport"
)

// writer turns waiting messages into bulk OUT transfers. It sends what there
// is and never waits for more, so that a lone request is not delayed; what has
// come while it was sending shares the next transfer. A message of several
// frames takes turns with the others, one frame each.
type writer struct {
	link    transport.Link
	traffic *traffic
	limit   int        // bytes in a transfer, see longestTransfer
	active  []outgoing // messages with frames left to send, in turn
	buffer  []byte
}

// longestTransfer returns how long the driver makes the transfers to a device that
// takes so many bytes in one: a byte less, because one of nothing but full packets
// takes another of no length to end it (USB 2.0, section 5.8.3), which through libusb
// is as long a wait again.
func longestTransfer(taken uint32) int { return max(int(taken)-1, leastTransfer) }

// run sends until ctx ends or the link fails, and returns why.
func (w *writer) run(ctx context.Context) error {
	w.buffer = make([]byte, 0, w.limit)
	defer w.wipe()
	for {
		if err := w.collect(ctx); err != nil {
			return err
		}
		if w.fill(); len(w.buffer) == 0 {
			continue // everything was abandoned
		}
		err := w.link.Write(ctx, w.buffer)
		clear(w.buffer) // it may have held a password
		if err != nil {
			return err
		}
	}
}

// collect takes what waits to be sent; it waits only if there is nothing at all.
func (w *writer) collect(ctx context.Context) error {
	w.active = w.traffic.take(w.active)
	for len(w.active) == 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.traffic.wake:
			w.active = w.traffic.take(w.active)
		}
	}
	return ctx.Err()
}

// fill packs one frame of each active message into the buffer while there is
// room. What is left over begins the next transfer.
func (w *writer) fill() {
	w.buffer = w.buffer[:0]
	turns := len(w.active)
	taken := 0
	for ; taken < turns; taken++ {
		o := w.active[taken]
		if o.request != nil && o.request.over.Load() {
			w.traffic.finished(o)
			continue
		}
		extended, last := o.frames.AppendFrame(w.buffer, w.limit-len(w.buffer))
		if len(extended) == len(w.buffer) {
			break
		}
		w.buffer, o.begun = extended, true
		if last {
			w.traffic.finished(o)
		} else {
			w.active = append(w.active, o)
		}
	}
	n := copy(w.active, w.active[taken:])
	clear(w.active[n:])
	w.active = w.active[:n]
}

// wipe clears what will not be sent any more.
func (w *writer) wipe() {
	for _, o := range w.active {
		if o.request != nil {
			clear(o.request.payload)
		}
	}
}
