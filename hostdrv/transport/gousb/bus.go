//go:build cgo

package gousb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	libusb "github.com/google/gousb"

	"usbhsm7/hostdrv/transport"
)

// controlTimeout bounds requests on the default control pipe. gousb waits for
// ever unless told otherwise. It is what Linux itself allows a device.
const controlTimeout = 5 * time.Second

// Bus is the machine's USB. It may be used by several goroutines.
//
// It keeps nothing open. Each List, and each link, has a libusb of its own,
// because one that runs for longer learns of new devices only where udev runs,
// which it does not in most containers.
type Bus struct{}

var _ transport.Bus = (*Bus)(nil)

// New returns the bus.
func New() *Bus { return &Bus{} }

// List implements transport.Bus. It opens no device: on Linux the serial
// number comes from sysfs, elsewhere it stays empty.
func (b *Bus) List(context.Context) ([]transport.Info, error) {
	usb, err := start()
	if err != nil {
		return nil, err
	}
	var found []transport.Info
	_, err = usb.OpenDevices(func(d *libusb.DeviceDesc) bool {
		if _, ok := choose(d); ok {
			found = append(found, infoOf(d))
		}
		return false
	})
	closeErr := usb.Close()
	if len(found) > 0 || err != nil && leaving(err) {
		// The error concerns another device, whose descriptors cannot be read,
		// or one that has just left.
		return found, closeErr
	}
	if err != nil {
		return nil, errors.Join(explain("list USB devices", err), closeErr)
	}
	return nil, closeErr
}

// Open implements transport.Bus.
func (b *Bus) Open(ctx context.Context, s transport.Selector) (transport.Link, error) {
	found, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	return transport.First(s, found, func(info transport.Info) (transport.Link, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return open(info)
	})
}

// start starts a libusb. Where the system has no USB at all it fails with an
// error that wraps errors.ErrUnsupported.
func start() (usb *libusb.Context, err error) {
	defer func() {
		if reason := recover(); reason != nil { // gousb panics when libusb_init fails
			err = fmt.Errorf("start libusb: %v: is /dev/bus/usb present? (a container needs it passed in): %w", reason, errors.ErrUnsupported)
		}
	}()
	return libusb.NewContext(), nil
}

// open opens the device at the path of info and claims the HSM in it.
func open(info transport.Info) (transport.Link, error) {
	usb, err := start()
	if err != nil {
		return nil, err
	}
	device, err := openDevice(usb, info)
	if err != nil {
		return nil, errors.Join(err, usb.Close())
	}
	device.ControlTimeout = controlTimeout
	l, err := newLink(usb, device, info)
	if err != nil {
		return nil, errors.Join(err, device.Close(), usb.Close())
	}
	return l, nil
}

// openDevice opens the device at the path of info. OpenDevices may return
// devices and an error together: then the error concerns another device.
func openDevice(usb *libusb.Context, info transport.Info) (*libusb.Device, error) {
	devices, err := usb.OpenDevices(func(d *libusb.DeviceDesc) bool {
		return pathOf(d) == info.Path && uint16(d.Vendor) == info.Vendor && uint16(d.Product) == info.Product
	})
	if len(devices) > 0 {
		for _, surplus := range devices[1:] {
			_ = surplus.Close() // cannot be: a path has one device
		}
		return devices[0], nil
	}
	if err == nil {
		return nil, fmt.Errorf("%w: it has just left", transport.ErrDisconnected)
	}
	return nil, explain("open", err)
}

func infoOf(d *libusb.DeviceDesc) transport.Info {
	path := pathOf(d)
	return transport.Info{
		Vendor: uint16(d.Vendor), Product: uint16(d.Product), Path: path, Serial: serialFromSysfs(path),
	}
}

// pathOf returns the name that Linux gives the device: the bus number, then
// the ports from the root hub on, as in "1-2.3". A root hub itself is "usb1".
func pathOf(d *libusb.DeviceDesc) string {
	if len(d.Path) == 0 {
		return "usb" + strconv.Itoa(d.Bus)
	}
	ports := make([]string, len(d.Path))
	for i, port := range d.Path {
		ports[i] = strconv.Itoa(port)
	}
	return strconv.Itoa(d.Bus) + "-" + strings.Join(ports, ".")
}

// serialFromSysfs reads the serial number that Linux read at enumeration.
func serialFromSysfs(path string) string {
	serial, err := os.ReadFile(filepath.Join("/sys/bus/usb/devices", path, "serial"))
	if err != nil {
		return "" // no serial number, or not Linux
	}
	return strings.TrimSpace(string(serial))
}

// place is where in a device the HSM is: configuration, interface, setting and
// the endpoints of the three pipes.
type place struct {
	config, number, alternate int
	out, in, event            libusb.EndpointDesc
}

// choose finds the interface that looks like an HSM: class FF with a bulk pair
// and an interrupt IN endpoint.
func choose(d *libusb.DeviceDesc) (place, bool) {
	for _, number := range slices.Sorted(maps.Keys(d.Configs)) {
		config := d.Configs[number]
		for i, group := range config.Interfaces {
			if group.Number != i {
				continue // gousb takes the number for an index and would panic
			}
			for _, setting := range group.AltSettings {
				p := place{config: config.Number, number: setting.Number, alternate: setting.Alternate}
				if setting.Class == libusb.ClassVendorSpec && p.take(setting) {
					return p, true
				}
			}
		}
	}
	return place{}, false
}

// take fills in the endpoints and reports whether all three are there. Of
// several that would do, the one with the lowest address is taken.
func (p *place) take(s libusb.InterfaceSetting) bool {
	lowest := func(slot *libusb.EndpointDesc, e libusb.EndpointDesc) {
		if slot.MaxPacketSize == 0 || e.Address < slot.Address {
			*slot = e
		}
	}
	for _, e := range s.Endpoints {
		switch {
		case e.MaxPacketSize == 0:
		case e.TransferType == libusb.TransferTypeBulk && e.Direction == libusb.EndpointDirectionOut:
			lowest(&p.out, e)
		case e.TransferType == libusb.TransferTypeBulk:
			lowest(&p.in, e)
		case e.TransferType == libusb.TransferTypeInterrupt && e.Direction == libusb.EndpointDirectionIn:
			lowest(&p.event, e)
		}
	}
	return p.out.MaxPacketSize > 0 && p.in.MaxPacketSize > 0 && p.event.MaxPacketSize > 0
}
