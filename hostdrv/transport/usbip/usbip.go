// Package usbip reaches devices that a USB/IP server exports, with the built-in
// client: no kernel support, no privileges, on any operating system.
//
//	bus := usbip.New("127.0.0.1:3240")
//	dev, err := hostdrv.Dial(ctx, bus, transport.Selector{}, hostdrv.Options{})
//
// USB/IP has neither encryption nor authentication. Use it within the machine,
// at "127.0.0.1:3240" or "unix:/run/hsm.sock", and NewTLS over a network.
package usbip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/internal/usbhost"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/socket"
)

// Bus is the devices of one server.
type Bus struct {
	address string
	tls     *tls.Config
	tap     *capture.Tap // nil = none
}

var _ transport.Bus = (*Bus)(nil)

// New returns the bus of the server at address, "host:port" or "unix:/path". It
// connects only when it is used.
func New(address string) *Bus { return NewTLS(address, nil) }

// NewTLS is New for a server that speaks TLS, for which package usbip/socket's
// Identity makes the config. Without a config it is New.
func NewTLS(address string, config *tls.Config) *Bus { return &Bus{address: address, tls: config} }

// Watch shows the URBs of every device that is opened from now on to t. It must be
// called before the bus is used.
func (b *Bus) Watch(t *capture.Tap) { b.tap = t }

// port returns the way to device, through the tap if there is one.
func (b *Bus) port(device *client.Device) usbhost.Port {
	if b.tap == nil {
		return device
	}
	bus, number := device.Place()
	return b.tap.Submitter(device, capture.Place{Bus: uint16(bus), Device: uint8(number)})
}

func (b *Bus) dial(ctx context.Context) (net.Conn, error) {
	return socket.Dial(ctx, b.address, b.tls)
}

func (b *Bus) importDevice(ctx context.Context, busID string) (*client.Device, error) {
	conn, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	return client.ImportConn(ctx, conn, busID)
}

// List implements transport.Bus. The path of a device is its bus ID. Serial
// numbers are not read, because that would take the device from others for a
// moment. Servers do not list devices that are in use.
func (b *Bus) List(ctx context.Context) ([]transport.Info, error) {
	conn, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	devices, err := client.ListConn(ctx, conn)
	if err != nil {
		return nil, err
	}
	var found []transport.Info
	for _, d := range devices {
		if usbhost.Plausible(d.Identity) {
			found = append(found, usbhost.InfoOf(d.Identity, d.BusID))
		}
	}
	return found, nil
}

// A server learns only after a moment that a host has left, and until then the
// device is in use. Open asks again, with pauses of 0.3 s in all. It counts the
// answers and not the time, most of which a busy server may take for one of them.
const (
	attempts   = 7
	firstPause = 5 * time.Millisecond // doubled each time
)

// Open implements transport.Bus. A device in use is known to be so only if s
// has its path; otherwise it is not found.
func (b *Bus) Open(ctx context.Context, s transport.Selector) (transport.Link, error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		link, err := b.openNow(ctx, s)
		settled := !errors.Is(err, transport.ErrNotFound) && !errors.Is(err, transport.ErrBusy)
		if settled || attempt == attempts {
			return link, err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (b *Bus) openNow(ctx context.Context, s transport.Selector) (transport.Link, error) {
	found, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	link, err := transport.First(s, found, func(info transport.Info) (transport.Link, error) {
		return b.open(ctx, info.Path)
	})
	if errors.Is(err, transport.ErrNotFound) {
		return nil, b.explainMissing(ctx, s, err)
	}
	return link, err
}

// explainMissing looks at a device that is not listed by asking for it.
func (b *Bus) explainMissing(ctx context.Context, s transport.Selector, missing error) error {
	if s.Path != "" {
		device, err := b.importDevice(ctx, s.Path)
		if err == nil { // it has become free, or is not the one that s chooses
			_ = device.Close()
		}
		if errors.Is(err, client.ErrBusy) {
			return fmt.Errorf("open %s at %s: %w; close the other one", s.Path, b.address, transport.ErrBusy)
		}
	}
	return fmt.Errorf("%w at %s; a device that another host uses is not listed", missing, b.address)
}

func (b *Bus) open(ctx context.Context, busID string) (transport.Link, error) {
	device, err := b.importDevice(ctx, busID)
	switch {
	case errors.Is(err, client.ErrBusy):
		return nil, fmt.Errorf("%w; close the other one", transport.ErrBusy)
	case errors.Is(err, client.ErrNoDevice):
		return nil, fmt.Errorf("%w: it has just left", transport.ErrNotFound)
	case err != nil:
		return nil, err
	}
	link, err := usbhost.Open(ctx, usbhost.Host{
		Port: b.port(device), Path: busID, Release: device.Close, Cause: device.Err,
	})
	if err != nil {
		return nil, err // not a nil *Link in an interface
	}
	return link, nil
}
