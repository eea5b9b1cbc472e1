package usb

import (
	"context"
	"slices"
)

// Stream sends full packets without end: a stream has no transfers, so none of
// its packets is short. It has fill write each packet into the host's URBs,
// until ctx ends or the endpoint is reset, and takes turns with Write. A URB
// whose room is not a multiple of wMaxPacketSize meets a packet that does not
// fit: fill gets the room that is left, and the URB ends with EOVERFLOW.
//
// fill is called with the device locked, often on the goroutine of the host that
// submits: it must return soon and must not use the device. Errors: ErrReset if the endpoint was reset during the call, and
// the error of ctx.
func (i *InEndpoint) Stream(ctx context.Context, fill func(packet []byte)) error {
	e := (*endpoint)(i)
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	e.begin()
	defer e.end()
	return e.stream(ctx, func(u *URB) {
		for packet := range slices.Chunk(u.Buffer, int(e.is.MaxPacketSize)) {
			fill(packet)
		}
		status := OK
		if room := len(u.Buffer); room == 0 || room%int(e.is.MaxPacketSize) != 0 {
			status = EOVERFLOW
		}
		e.dev.finish(u, len(u.Buffer), status)
	})
}

// Stream receives packets without end, whatever transfers they belong to. It
// hands each packet that is not empty to take, until ctx ends or the endpoint is
// reset, and takes turns with Read. An error of take stalls the packet and
// halts the endpoint, as Halt does: the URB ends with EPIPE and what take had
// accepted of it.
//
// take is called with the device locked, often on the goroutine of the host that
// submits: it must return soon, must not use the device and must not keep packet.
// Errors: ErrReset as for Read, and the error
// of ctx.
func (o *OutEndpoint) Stream(ctx context.Context, take func(packet []byte) error) error {
	e := (*endpoint)(o)
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	return e.stream(ctx, func(u *URB) {
		taken := 0
		for packet := range slices.Chunk(u.Buffer, int(e.is.MaxPacketSize)) {
			if take(packet) != nil {
				e.dev.finish(u, taken, EPIPE)
				e.halt()
				return
			}
			taken += len(packet)
		}
		e.dev.finish(u, taken, OK)
	})
}

// stream hands the URBs of the endpoint to serve, which finishes them, until the
// endpoint is reset or ctx ends. Later ones are served where the host submits
// them: nobody has to be woken.
func (e *endpoint) stream(ctx context.Context, serve func(*URB)) error {
	e.setServe(serve)
	defer e.setServe(nil)
	for {
		if err := e.serveAll(); err != nil {
			return err
		}
		if err := e.wait(ctx); err != nil {
			return err
		}
	}
}

func (e *endpoint) setServe(serve func(*URB)) {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	e.serve = serve
}

// serveAll serves the URBs that are pending.
func (e *endpoint) serveAll() error {
	e.dev.mu.Lock()
	defer e.dev.release()
	if e.wasReset {
		e.wasReset = false
		return ErrReset
	}
	e.servePending()
	return nil
}

// servePending is serveAll under the lock.
func (e *endpoint) servePending() {
	for u := e.urbs.pop(); u != nil; u = e.urbs.pop() {
		e.serve(u)
	}
}
