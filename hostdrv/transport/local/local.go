// Package local reaches devices that run in the same process, without a
// network and without a kernel: for tests, and for programs that carry their
// own simulator.
//
//	hsm, err := device.New(device.Config{Flash: image}) // firmware/device
//	bus := local.New(hsm.USB())
//	dev, err := hostdrv.Dial(ctx, bus, transport.Selector{}, hostdrv.Options{})
package local

import (
	"context"
	"errors"
	"fmt"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/internal/usbhost"
	"usbhsm7/usbip/usb"
)

// Bus is a fixed set of ports with a device behind each. The path of the n-th
// is "local-n", counted from 1.
type Bus struct {
	ports []usb.Port
}

var _ transport.Bus = (*Bus)(nil)

// New returns a bus with the ports given.
func New(ports ...usb.Port) *Bus { return &Bus{ports: ports} }

// List implements transport.Bus. Serial numbers are not read, because that
// would take a connection, of which a device has one.
func (b *Bus) List(context.Context) ([]transport.Info, error) {
	var found []transport.Info
	for i, port := range b.ports {
		if id := port.Identity(); usbhost.Plausible(id) {
			found = append(found, usbhost.InfoOf(id, pathOf(i)))
		}
	}
	return found, nil
}

// Open implements transport.Bus.
func (b *Bus) Open(ctx context.Context, s transport.Selector) (transport.Link, error) {
	found, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	return transport.First(s, found, func(info transport.Info) (transport.Link, error) {
		for i, port := range b.ports {
			if pathOf(i) == info.Path {
				return open(ctx, port, info.Path)
			}
		}
		return nil, transport.ErrNotFound
	})
}

func pathOf(i int) string { return fmt.Sprintf("local-%d", i+1) }

func open(ctx context.Context, port usb.Port, path string) (transport.Link, error) {
	_, err := port.Connect() // pending URBs tell when the device leaves
	switch {
	case errors.Is(err, usb.ErrBusy):
		return nil, fmt.Errorf("%w; close the other one", transport.ErrBusy)
	case errors.Is(err, usb.ErrNoDevice):
		return nil, fmt.Errorf("%w: it is unplugged", transport.ErrNotFound)
	case err != nil:
		return nil, err
	}
	link, err := usbhost.Open(ctx, usbhost.Host{
		Port: port, Path: path,
		Release: func() error {
			port.Disconnect()
			return nil
		},
	})
	if err != nil {
		return nil, err // not a nil *Link in an interface
	}
	return link, nil
}
