//go:build cgo

package gousb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	libusb "github.com/google/gousb"

	"usbhsm7/hostdrv/transport"
)

// Queues of IN transfers. With several waiting in the kernel the device never
// waits for the host between two of them. A buffer is longer than any
// transfer of the protocol, so a full one means that the transfer goes on.
const (
	bulkBuffer  = 65536
	bulkDepth   = 8
	eventBuffer = 1024
	eventDepth  = 2
)

// link is one claimed device.
type link struct {
	info   transport.Info
	usb    *libusb.Context
	device *libusb.Device
	config *libusb.Config
	iface  *libusb.Interface
	out    *libusb.OutEndpoint
	in     *pipe
	event  *pipe

	ctx     context.Context // ends when Close begins
	stop    context.CancelFunc
	writing sync.Mutex // held by Write
	closing sync.Once
	closed  error // what Close returned
}

// newLink claims the interface, detaching a kernel driver that may hold it, and
// starts the pipes. From then on usb and device are the link's to close.
func newLink(usb *libusb.Context, device *libusb.Device, info transport.Info) (_ *link, err error) {
	where, ok := choose(device.Desc)
	if !ok {
		return nil, fmt.Errorf("%w: its descriptors have changed", transport.ErrNotFound)
	}
	l := &link{info: info, usb: usb, device: device}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.releaseInterface())
		}
	}()
	if err := l.claim(where); err != nil {
		return nil, err
	}
	if l.info.Serial == "" {
		if l.info.Serial, err = device.SerialNumber(); err != nil {
			return nil, explain("read the serial number", err)
		}
	}
	return l, l.start(where)
}

func (l *link) claim(where place) (err error) {
	if err = l.device.SetAutoDetach(true); err != nil {
		return explain("ask for the kernel driver to be detached", err)
	}
	if l.config, err = l.device.Config(where.config); err != nil {
		return explain("choose the configuration", err)
	}
	if l.iface, err = l.config.Interface(where.number, where.alternate); err != nil {
		return explain("claim the interface", err)
	}
	return nil
}

// start opens the three pipes.
func (l *link) start(where place) (err error) {
	if l.out, err = l.iface.OutEndpoint(where.out.Number); err != nil {
		return explain("open the bulk OUT endpoint", err)
	}
	in, err := l.iface.InEndpoint(where.in.Number)
	if err != nil {
		return explain("open the bulk IN endpoint", err)
	}
	event, err := l.iface.InEndpoint(where.event.Number)
	if err != nil {
		return explain("open the interrupt endpoint", err)
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.in = startPipe(l.ctx, in, l.clearHalt, bulkBuffer, bulkDepth)
	l.event = startPipe(l.ctx, event, l.clearHalt, eventBuffer, eventDepth)
	return nil
}

// Info implements transport.Link.
func (l *link) Info() transport.Info { return l.info }

// Read implements transport.Link.
func (l *link) Read(ctx context.Context, p []byte) (int, error) { return l.read(ctx, l.in, p) }

// ReadEvent implements transport.Link.
func (l *link) ReadEvent(ctx context.Context, p []byte) (int, error) { return l.read(ctx, l.event, p) }

func (l *link) read(ctx context.Context, from *pipe, p []byte) (int, error) {
	if l.ctx.Err() != nil {
		return 0, transport.ErrClosed // whatever has been read ahead
	}
	return from.read(ctx, p)
}

// Write implements transport.Link.
func (l *link) Write(ctx context.Context, p []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.ctx.Err() != nil {
		return transport.ErrClosed
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()

	err := l.transfer(both, p)
	if errors.Is(err, libusb.TransferStall) {
		if err = l.clearHalt(l.out.Desc.Address); err == nil {
			err = transport.ErrHalted
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
	return explain("send to the device", err)
}

// transfer sends p and, if its last packet is a full one, the zero-length
// packet that ends the transfer (USB 2.0, section 5.8.3). gousb does not offer
// libusb's flag for that, so it is a transfer of its own.
func (l *link) transfer(ctx context.Context, p []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(p) > 0 {
		if _, err := l.out.WriteContext(ctx, p); err != nil {
			return err
		}
	}
	if len(p)%l.out.Desc.MaxPacketSize == 0 {
		_, err := l.out.WriteContext(ctx, nil)
		return err
	}
	return nil
}

// clearHalt clears the halt of an endpoint (USB 2.0, section 9.4.1). gousb does
// not offer libusb_clear_halt; this is the same request on the wire, and host
// controllers reset their side of the data toggle when an endpoint stalls.
func (l *link) clearHalt(address libusb.EndpointAddress) error {
	const (
		toEndpoint   = 0x02 // bmRequestType: host to device, standard, endpoint
		clearFeature = 0x01
		endpointHalt = 0
	)
	_, err := l.device.Control(toEndpoint, clearFeature, endpointHalt, uint16(address), nil)
	if err != nil {
		return fmt.Errorf("clear the halt of endpoint %s: %w", address, err)
	}
	return nil
}

// Close implements transport.Link. gousb wants interface, configuration and
// device closed in this order and nothing in flight.
func (l *link) Close() error {
	l.closing.Do(func() {
		l.stop()
		l.writing.Lock()
		defer l.writing.Unlock()
		l.in.wait()
		l.event.wait()
		l.closed = errors.Join(l.releaseInterface(), l.device.Close(), l.usb.Close())
	})
	return l.closed
}

// releaseInterface undoes what claim did, as far as it came.
func (l *link) releaseInterface() error {
	if l.iface != nil {
		l.iface.Close()
	}
	if l.config != nil {
		return l.config.Close()
	}
	return nil
}
