package usbhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// Queues of IN URBs. A bulk buffer is longer than any transfer of the
// protocol, so a full one means that the transfer goes on; an event is one
// packet.
const (
	bulkBuffer  = 65536
	bulkDepth   = 8
	eventBuffer = 1024
	eventDepth  = 2
)

// Link is an enumerated device.
type Link struct {
	host  *Host
	info  transport.Info
	place place
	in    *queue
	event *queue
	ended chan struct{} // closed when Close begins

	writing sync.Mutex // held by Write; guards out
	out     *request

	closing sync.Once
	closed  error // what Close returned
}

var _ transport.Link = (*Link)(nil)

// Open enumerates the device behind h and starts to read it. It releases h if
// it fails.
func Open(ctx context.Context, h Host) (*Link, error) {
	h.Release = sync.OnceValue(h.Release)
	l := &Link{host: &h, out: newRequest(), ended: make(chan struct{})}
	var err error
	if l.info, l.place, err = h.enumerate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("enumerate the device: %w", l.explain(err)), h.Release())
	}
	l.in = newQueue(l.host, l.ended, l.place.in, bulkDepth, bulkBuffer)
	l.event = newQueue(l.host, l.ended, l.place.event, eventDepth, eventBuffer)
	return l, nil
}

// Info implements transport.Link.
func (l *Link) Info() transport.Info { return l.info }

// Read implements transport.Link.
func (l *Link) Read(ctx context.Context, p []byte) (int, error) {
	n, err := l.in.read(ctx, p)
	return n, l.explain(err)
}

// ReadEvent implements transport.Link.
func (l *Link) ReadEvent(ctx context.Context, p []byte) (int, error) {
	n, err := l.event.read(ctx, p)
	return n, l.explain(err)
}

// Write implements transport.Link.
func (l *Link) Write(ctx context.Context, p []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	err := l.send(ctx, p)
	if errors.Is(err, usb.EPIPE) {
		if err = l.host.clearHalt(ctx, l.place.out); err == nil {
			err = transport.ErrHalted
		}
	}
	return l.explain(err)
}

// send submits p as one transfer. Where its last packet is a full one it ends
// by a zero-length packet (USB 2.0, section 5.8.3).
func (l *Link) send(ctx context.Context, p []byte) error {
	if isClosed(l.ended) {
		return transport.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	u := &l.out.urb
	u.Endpoint, u.Buffer, u.Flags = l.place.out, p, 0
	if len(p)%l.place.packet == 0 {
		u.Flags = usb.ZeroPacket
	}
	defer func() { u.Buffer = nil }()
	err := l.host.carry(ctx, l.ended, l.out)
	if err == nil && u.Actual < len(p) {
		err = fmt.Errorf("%w: the device took %d of %d bytes", io.ErrShortWrite, u.Actual, len(p))
	}
	return err
}

// explain adds to a disconnection why it came.
func (l *Link) explain(err error) error {
	if l.host.Cause == nil || !errors.Is(err, transport.ErrDisconnected) {
		return err
	}
	if cause := l.host.Cause(); cause != nil {
		return fmt.Errorf("%w: %w", transport.ErrDisconnected, cause)
	}
	return err
}

// Close implements transport.Link. Releasing the device completes every URB;
// when Close returns none is pending.
func (l *Link) Close() error {
	l.closing.Do(func() {
		close(l.ended)
		l.in.stop()
		l.event.stop()
		l.closed = l.host.Release()
		l.in.pending.Wait()
		l.event.pending.Wait()
		l.writing.Lock() // until a Write that was under way has returned
		defer l.writing.Unlock()
	})
	return l.closed
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
