package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/gousb"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/socket"
)

// where says which device is meant and how to reach it.
type where struct {
	via    string // auto, usb or usbip
	usbip  string // address of a USB/IP server
	tls    socket.Identity
	serial string
	path   string
	usbID  string

	wait time.Duration // how long to look for it

	recorder recorder
}

func (w *where) flags(flags *pflag.FlagSet) {
	flags.StringVar(&w.via, "via", environment("HSM7_VIA", "auto"), "how to reach the device: usb (the kernel), usbip (no kernel support), or auto; also HSM7_VIA")
	flags.StringVar(&w.usbip, "usbip", environment("HSM7_USBIP", "127.0.0.1:3240"), "address of the USB/IP server, host:port or unix:/path; also HSM7_USBIP")
	tlsFlags(flags, &w.tls)
	w.recorder.flags(flags)
	flags.StringVar(&w.serial, "serial", "", "use the device with this serial number")
	flags.StringVar(&w.path, "path", "", "use the device at this bus path (usb: 1-2.3; usbip: bus ID)")
	flags.DurationVar(&w.wait, "wait", 0, "wait this long for the device, or the simulator, if it is not there yet")
	flags.StringVar(&w.usbID, "usb-id", "", "use a device with this idVendor:idProduct, hexadecimal (default any from 1209:0001 to 1209:0010)")
}

// tlsFlags are those with which hsm7 proves to a USB/IP server who it is.
func tlsFlags(flags *pflag.FlagSet, i *socket.Identity) {
	flags.StringVar(&i.Cert, "tls-cert", environment("HSM7_TLS_CERT", ""), "PEM file with our certificate for the USB/IP server, which then is spoken to over TLS; also HSM7_TLS_CERT")
	flags.StringVar(&i.Key, "tls-key", environment("HSM7_TLS_KEY", ""), "PEM file with its private key; also HSM7_TLS_KEY")
	flags.StringVar(&i.CA, "tls-ca", environment("HSM7_TLS_CA", ""), "PEM file with the CA of the server's certificate; also HSM7_TLS_CA")
}

// environment returns the variable name, or otherwise if it is not set.
func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// busName names a way to reach devices.
type busName string

const (
	overUSB   busName = "usb"
	overUSBIP busName = "usbip"
)

// buses returns the ways to try, in order.
func (w where) buses() ([]busName, error) {
	switch w.via {
	case "auto":
		if w.recorder.wanted() {
			return []busName{overUSBIP}, nil
		}
		return []busName{overUSB, overUSBIP}, nil
	case string(overUSB), string(overUSBIP):
		if w.via == string(overUSB) && w.recorder.wanted() {
			return nil, usagef("--capture records what goes over --usbip; for the kernel's bus use usbmon (modprobe usbmon, then Wireshark)")
		}
		return []busName{busName(w.via)}, nil
	}
	return nil, usagef("--via %q is not usb, usbip or auto", w.via)
}

// bus returns the bus with that name.
func (w where) bus(name busName) (transport.Bus, error) {
	if name != overUSBIP {
		return gousb.New(), nil
	}
	config, err := w.secured()
	if err != nil {
		return nil, err
	}
	bus := usbip.NewTLS(w.usbip, config)
	bus.Watch(w.recorder.tap)
	return bus, nil
}

// secured returns how TLS is spoken to the USB/IP server: nil for not at all.
func (w where) secured() (*tls.Config, error) {
	if err := socket.Check(w.usbip); err != nil {
		return nil, usagef("--usbip: %w", err)
	}
	config, err := w.tls.Client()
	if err != nil {
		return nil, usagef("%w: --tls-cert, --tls-key and --tls-ca, or HSM7_TLS_CERT, HSM7_TLS_KEY and HSM7_TLS_CA", err)
	}
	return config, nil
}

// selector returns what the flags choose.
func (w where) selector() (transport.Selector, error) {
	s := transport.Selector{Serial: w.serial, Path: w.path}
	if w.usbID == "" {
		return s, nil
	}
	v, p, ok := strings.Cut(w.usbID, ":")
	vendor, errV := strconv.ParseUint(v, 16, 16)
	product, errP := strconv.ParseUint(p, 16, 16)
	if !ok || errV != nil || errP != nil {
		return s, usagef("--usb-id %q is not like 1209:0001", w.usbID)
	}
	s.Vendor, s.Product = uint16(vendor), uint16(product)
	return s, nil
}

// found is a device that list shows.
type found struct {
	Via busName `json:"via"`
	transport.Info
}

// list returns the devices on every bus. An error of one bus does not hide the
// devices of another; it is returned if there are none.
func (w where) list(ctx context.Context) ([]found, error) {
	selector, err := w.selector()
	if err != nil {
		return nil, err
	}
	names, err := w.buses()
	if err != nil {
		return nil, err
	}
	var devices []found
	var failures []error
	for _, name := range names {
		bus, err := w.bus(name)
		if err != nil {
			return nil, err
		}
		infos, err := bus.List(ctx)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
		}
		for _, info := range infos {
			choice := selector
			if info.Serial == "" {
				choice.Serial = "" // not known before the device is opened
			}
			if choice.Matches(info) {
				devices = append(devices, found{name, info})
			}
		}
	}
	if len(devices) > 0 {
		return devices, nil
	}
	return nil, errors.Join(failures...)
}

// open opens the device. release closes it, and ends its recording.
func (w where) open(ctx context.Context) (device *hostdrv.Device, release func() error, err error) {
	selector, err := w.selector()
	if err != nil {
		return nil, nil, err
	}
	names, err := w.buses()
	if err != nil {
		return nil, nil, err
	}
	stop, err := w.recorder.start()
	if err != nil {
		return nil, nil, err
	}
	err = patiently(ctx, w.wait, func(ctx context.Context) error {
		device, err = w.dial(ctx, names, selector)
		return err
	})
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return device, func() error {
		_ = device.Close() // a device that just left is no failure of what was done
		return stop()
	}, nil
}

// dial opens the first device on those buses that selector matches.
func (w where) dial(ctx context.Context, names []busName, selector transport.Selector) (device *hostdrv.Device, err error) {
	var failures []error
	for _, name := range names {
		bus, err := w.bus(name)
		if err != nil {
			return nil, err
		}
		device, err = hostdrv.Dial(ctx, bus, selector, hostdrv.Options{Client: "hsm7 " + version})
		if err == nil {
			return device, nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, fmt.Errorf("look for the device: %w", ctx.Err())
		}
		failures = append(failures, fmt.Errorf("%s: %w", name, err))
		if !errors.Is(err, transport.ErrNotFound) && !errors.Is(err, errors.ErrUnsupported) {
			break // a device is there, but cannot be used: say so rather than use another one
		}
	}
	return nil, errors.Join(failures...)
}
