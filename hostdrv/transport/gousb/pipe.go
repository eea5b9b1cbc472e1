//go:build cgo

package gousb

import (
	"context"
	"errors"

	libusb "github.com/google/gousb"

	"usbhsm7/hostdrv/transport"
)

// maxStalls is how many halts in a row an IN pipe clears before it gives up.
const maxStalls = 3

// pipe reads an IN endpoint ahead. Its goroutine owns a gousb stream, which
// keeps several transfers queued in the kernel; a stream dies, with everything
// in it, when a read of it is cancelled, so readers wait on a channel instead.
type pipe struct {
	endpoint  *libusb.InEndpoint
	clearHalt func(libusb.EndpointAddress) error
	size      int
	depth     int

	transfers chan transfer // closed when the pipe has ended
	free      chan []byte   // buffers that readers gave back
	err       error         // why it ended; valid once transfers is closed
	done      chan struct{}
}

// transfer is one that has arrived.
type transfer struct {
	data    []byte // in one of the pipe's buffers
	overrun bool   // it was longer than the buffer; data is its end
	err     error  // in its place the endpoint was halted; there is no buffer
}

// startPipe starts to read ahead until ctx ends. wait waits for the end.
func startPipe(ctx context.Context, e *libusb.InEndpoint, clearHalt func(libusb.EndpointAddress) error, size, depth int) *pipe {
	const buffers = 2 // one with the reader, one being filled
	p := &pipe{
		endpoint: e, clearHalt: clearHalt, size: size, depth: depth,
		transfers: make(chan transfer, buffers),
		free:      make(chan []byte, buffers),
		done:      make(chan struct{}),
	}
	for range buffers {
		p.free <- make([]byte, size)
	}
	go func() {
		defer close(p.done)
		defer close(p.transfers)
		p.err = p.run(ctx)
	}()
	return p
}

// wait waits until nothing of the pipe is in flight any more.
func (p *pipe) wait() { <-p.done }

// read waits for the next transfer.
func (p *pipe) read(ctx context.Context, dst []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	select {
	case t, ok := <-p.transfers:
		if !ok {
			return 0, p.err
		}
		if t.err != nil {
			return 0, t.err
		}
		n := copy(dst, t.data)
		tooLong := t.overrun || n < len(t.data)
		clear(t.data)
		p.free <- t.data[:p.size]
		if tooLong {
			return 0, transport.ErrOverrun
		}
		return n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// run reads until ctx ends or the device fails, and returns why it ended.
func (p *pipe) run(ctx context.Context) error {
	for stalls := 0; ; stalls++ {
		got, err := p.stream(ctx)
		switch {
		case ctx.Err() != nil:
			return transport.ErrClosed
		case !errors.Is(err, libusb.TransferStall):
			return explain("read from the device", err)
		case got:
			stalls = 0
		case stalls == maxStalls:
			return explain("read from the device, which stalls again and again", err)
		}
		if err := p.clearHalt(p.endpoint.Desc.Address); err != nil {
			return explain("read from the device", err)
		}
		select {
		case p.transfers <- transfer{err: transport.ErrHalted}:
		case <-ctx.Done():
		}
	}
}

// stream reads transfers until one fails, and reports whether any came. gousb
// has then cancelled and freed those that were queued behind it.
func (p *pipe) stream(ctx context.Context) (got bool, err error) {
	s, err := p.endpoint.NewStream(p.size, p.depth)
	if err != nil {
		return false, err
	}
	partial := false // a part of a transfer that is longer than a buffer has come
	for {
		select {
		case buffer := <-p.free:
			n, err := s.ReadContext(ctx, buffer)
			if err != nil {
				p.free <- buffer
				return got, err
			}
			got = true
			switch {
			case n == p.size:
				partial = true
				p.free <- buffer
			default:
				p.transfers <- transfer{data: buffer[:n], overrun: partial}
				partial = false
			}
		case <-ctx.Done():
			return got, cancelStream(ctx, s, p.size)
		}
	}
}

// cancelStream reads s until gousb notices that ctx has ended. Nothing but a
// read that fails takes back the transfers that are queued.
func cancelStream(ctx context.Context, s *libusb.ReadStream, size int) error {
	rest := make([]byte, size)
	for {
		if _, err := s.ReadContext(ctx, rest); err != nil {
			return err
		}
	}
}
