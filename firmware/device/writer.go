package device

import (
	"context"

	"usbhsm7/firmware/frame"
)

// writer turns answers into bulk IN transfers. Answers that wait at the same
// time share a transfer, and a large one takes turns with the others, one
// frame each, so it delays none of them by more than a transfer.
type writer struct {
	link       *link
	active     []outgoing // messages with frames left to send, in turn
	unfinished int        // payload bytes of the active messages of which a part was sent
	buffer     []byte
	last       bool   // the buffer ends an answer after which the device restarts
	restart    func() // see Config
}

// outgoing is a message that is not sent to its end yet.
type outgoing struct {
	answer
	splitter frame.Splitter
	begun    bool // a part was sent; counted in unfinished
}

// transferWriter is the part of usb.InEndpoint that the writers need.
type transferWriter interface {
	Write(ctx context.Context, p []byte) error
}

// run writes until ctx ends. A transfer that fails was meant for a host that
// has gone, so everything that was under way is dropped.
func (w *writer) run(ctx context.Context, in transferWriter) {
	w.buffer = make([]byte, 0, frame.MaxTransfer)
	for w.collect(ctx) {
		if w.fill(); len(w.buffer) == 0 {
			continue
		}
		if err := in.Write(ctx, w.buffer); err != nil {
			for len(w.active) > 0 {
				w.release(w.pop())
			}
		} else if w.last && w.restart != nil {
			w.restart()
		}
		clear(w.buffer) // it may have held plaintext
	}
}

// collect waits until there is something to send and then takes whatever else
// waits. It returns false when ctx has ended.
func (w *writer) collect(ctx context.Context) bool {
	if len(w.active) == 0 {
		select {
		case <-ctx.Done():
			return false
		case a := <-w.link.answers:
			w.add(a)
		}
	}
	for len(w.active) < frame.MaxInFlight {
		select {
		case a := <-w.link.answers:
			w.add(a)
		default:
			return ctx.Err() == nil
		}
	}
	return ctx.Err() == nil
}

func (w *writer) add(a answer) {
	w.active = append(w.active, outgoing{answer: a, splitter: *frame.NewSplitter(a.message)})
}

// fill packs one frame of each active message into the buffer while there is
// room. Messages of an earlier epoch are dropped.
func (w *writer) fill() {
	w.buffer, w.last = w.buffer[:0], false
	for range len(w.active) {
		next := w.pop()
		switch {
		case next.epoch != w.link.epoch.Load():
			w.release(next)
		case !next.begun && w.unfinished+len(next.message.Payload) > frame.MaxUnfinished:
			w.active = append(w.active, next) // the host may refuse so much at once: later
		case w.append(&next):
			w.last = w.last || next.last
			w.release(next)
		default:
			w.active = append(w.active, next)
		}
	}
}

// append adds a frame of next to the buffer, if there is room for one, and
// reports whether that was the last.
func (w *writer) append(next *outgoing) (done bool) {
	before := len(w.buffer)
	w.buffer, done = next.splitter.AppendFrame(w.buffer, frame.MaxTransfer-before)
	if !done && !next.begun && len(w.buffer) > before {
		next.begun = true
		w.unfinished += len(next.message.Payload)
	}
	return done
}

// pop takes the first active message out, keeping the slice's memory.
func (w *writer) pop() outgoing {
	first := w.active[0]
	copy(w.active, w.active[1:])
	w.active[len(w.active)-1] = outgoing{}
	w.active = w.active[:len(w.active)-1]
	return first
}

// release gives back what next held.
func (w *writer) release(next outgoing) {
	if next.begun {
		w.unfinished -= len(next.message.Payload)
	}
	w.link.held.Add(-int64(len(next.message.Payload)))
	w.link.buffers.Put(next.message.Payload)
}
