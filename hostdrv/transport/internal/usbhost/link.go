package usbhost

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// Queues of IN URBs. A bulk buffer is longer than any transfer of the
// protocol, so a full one means that the transfer goes on; an event is one
// packet.
const (
	bulkBuffer  = 65536
	bulkDepth   = 4
	eventBuffer = 1024
	eventDepth  = 2
)

// Host is one connection to one device.
type Host struct {
	Port    Port
	Path    string       // where the device was found
	Release func() error // ends the connection; pending URBs complete

	// Cause tells why the connection ended, to be added to
	// transport.ErrDisconnected. It may be nil, and so may its result.
	Cause func() error
}

// Link is an enumerated device.
type Link struct {
	host  Host
	info  transport.Info
	place place
	in    *queue
	event *queue

	ctx     context.Context // ends when Close begins
	stop    context.CancelFunc
	writing sync.Mutex // held by Write
	closing sync.Once
	closed  error // what Close returned
}

var _ transport.Link = (*Link)(nil)

// Open enumerates the device behind h: descriptors, serial number,
// configuration, interface. It releases h if it fails.
func Open(ctx context.Context, h Host) (*Link, error) {
	l := &Link{host: h}
	if err := l.enumerate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("enumerate the device: %w", l.explain(err)), h.Release())
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.in = newQueue(h.Port, l.place.in, bulkDepth, bulkBuffer)
	l.event = newQueue(h.Port, l.place.event, eventDepth, eventBuffer)
	return l, nil
}

// enumerate does what USB 2.0, section 9.1.2, asks of a host, as far as it
// concerns a device that has its address.
func (l *Link) enumerate(ctx context.Context) (err error) {
	device, err := getDescriptor(ctx, l.host.Port, usb.DescriptorDevice, 0, 0, deviceSize)
	if err != nil {
		return err
	}
	if len(device) < deviceSize {
		return fmt.Errorf("device descriptor of %d bytes", len(device))
	}
	l.info = transport.Info{
		Vendor:  uint16(device[8]) | uint16(device[9])<<8,
		Product: uint16(device[10]) | uint16(device[11])<<8,
		Path:    l.host.Path,
	}
	if l.place, err = l.find(ctx, device[17]); err != nil {
		return err
	}
	if l.info.Serial, err = getString(ctx, l.host.Port, device[16]); err != nil {
		return err
	}
	return l.configure(ctx)
}

// find looks through the configurations for the HSM.
func (l *Link) find(ctx context.Context, configurations uint8) (place, error) {
	for i := range configurations {
		head, err := getDescriptor(ctx, l.host.Port, usb.DescriptorConfiguration, i, 0, configurationSize)
		if err != nil {
			return place{}, err
		}
		if len(head) < configurationSize {
			return place{}, errMalformed
		}
		total := int(head[2]) | int(head[3])<<8 // wTotalLength
		whole, err := getDescriptor(ctx, l.host.Port, usb.DescriptorConfiguration, i, 0, max(total, configurationSize))
		if err != nil {
			return place{}, err
		}
		if found, ok, err := choose(whole); ok || err != nil {
			return found, err
		}
	}
	return place{}, fmt.Errorf("%w: its descriptors show no HSM", transport.ErrNotFound)
}

func (l *Link) configure(ctx context.Context) error {
	_, err := control(ctx, l.host.Port, usb.Setup{Request: usb.SetConfiguration, Value: uint16(l.place.configuration)}, nil)
	if err != nil || l.place.alternate == 0 {
		return err
	}
	_, err = control(ctx, l.host.Port, usb.Setup{
		RequestType: usb.RecipientInterface, Request: usb.SetInterface,
		Value: uint16(l.place.alternate), Index: uint16(l.place.number),
	}, nil)
	return err
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

// Write implements transport.Link. A halted endpoint took nothing of the
// transfer: it is cleared and the transfer sent again, once.
func (l *Link) Write(ctx context.Context, p []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.ctx.Err() != nil {
		return transport.ErrClosed
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()

	err := l.send(both, p)
	if errors.Is(err, usb.EPIPE) {
		if err = clearHalt(both, l.host.Port, l.place.out); err == nil {
			err = l.send(both, p)
		}
	}
	switch {
	case err == nil:
		return nil
	case l.ctx.Err() != nil:
		return transport.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return l.explain(err)
}

// send submits p as one transfer. Where its last packet is a full one it ends
// by a zero-length packet (USB 2.0, section 5.8.3).
func (l *Link) send(ctx context.Context, p []byte) error {
	u := &usb.URB{Endpoint: l.place.out, Buffer: p}
	if len(p)%l.place.packet == 0 {
		u.Flags = usb.ZeroPacket
	}
	return carry(ctx, l.host.Port, u)
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

// Close implements transport.Link: it takes back every URB, then releases the
// device.
func (l *Link) Close() error {
	l.closing.Do(func() {
		l.stop()
		l.writing.Lock()
		defer l.writing.Unlock()
		l.in.close()
		l.event.close()
		l.closed = l.host.Release()
	})
	return l.closed
}
