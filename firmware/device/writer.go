package device

import (
	"context"

	"usbhsm7/firmware/frame"
)

// writer turns answers into bulk IN transfers. Answers that wait at the same
// time share a transfer, and a large one takes turns with the others, one
// frame each, so it delays none of them by more than a transfer.
type writer struct {
	link   *link
	active []outgoing // messages with frames left to send, in turn
	buffer []byte
}

// outgoing is a message that is partly sent.
type outgoing struct {
	epoch    uint64
	splitter *frame.Splitter
}

// transferWriter is the part of usb.InEndpoint that the writers need.
type transferWriter interface {
	Write(ctx context.Context, p []byte) error
}

// run writes until ctx ends. A transfer that fails was meant for a host that
// has gone, so what was in it is dropped.
func (w *writer) run(ctx context.Context, in transferWriter) {
	w.buffer = make([]byte, 0, frame.MaxTransfer)
	for w.collect(ctx) {
		if w.fill(); len(w.buffer) == 0 {
			continue
		}
		if err := in.Write(ctx, w.buffer); err != nil {
			w.active = w.active[:0]
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
	w.active = append(w.active, outgoing{a.epoch, frame.NewSplitter(a.message)})
}

// fill packs one frame of each active message into the buffer while there is
// room. Messages of an earlier epoch are dropped.
func (w *writer) fill() {
	w.buffer = w.buffer[:0]
	for turns := len(w.active); turns > 0 && len(w.active) > 0; turns-- {
		next := w.active[0]
		if next.epoch != w.link.epoch.Load() {
			w.drop()
			continue
		}
		room := frame.MaxTransfer - len(w.buffer)
		extended, done := next.splitter.AppendFrame(w.buffer, room)
		if len(extended) == len(w.buffer) {
			return // no room for a frame
		}
		w.buffer = extended
		if w.drop(); !done {
			w.active = append(w.active, next)
		}
	}
}

// drop takes the first active message out, keeping the slice's memory.
func (w *writer) drop() {
	copy(w.active, w.active[1:])
	w.active[len(w.active)-1] = outgoing{}
	w.active = w.active[:len(w.active)-1]
}
