// Package usbtest holds what tests of devices and hosts share: a small device
// with one endpoint of each kind that most need, functions that animate it, and
// the moves of a host that waits for what it submits.
//
//	d := usbtest.NewDevice(t)
//	usbtest.Run(t, func(ctx context.Context) { usbtest.Echo(ctx, d) })
//	usbtest.Connect(t, d)
//	usbtest.Configure(d)
//	usbtest.Do(d, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("hello")})
package usbtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"usbhsm7/usbip/usb"
)

// The endpoints of the device.
const (
	BulkOut     = 0x01
	BulkIn      = 0x81
	InterruptIn = 0x82
)

// Descriptors are those of the device: high speed, one vendor-specific interface
// with a pair of bulk endpoints and an interrupt endpoint.
func Descriptors() usb.Descriptors {
	return usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001, Release: 0x0123,
		Manufacturer: "Example", ProductName: "Device under test", Serial: "0001",
		Configurations: []usb.Configuration{{
			Value: 1, MaxPower: 100,
			Interfaces: []usb.Interface{{
				Class: 0xff, SubClass: 1, Protocol: 2,
				Endpoints: []usb.Endpoint{
					{Address: BulkOut, Type: usb.Bulk, MaxPacketSize: 512},
					{Address: BulkIn, Type: usb.Bulk, MaxPacketSize: 512},
					{Address: InterruptIn, Type: usb.Interrupt, MaxPacketSize: 64, Interval: 4},
				},
			}},
		}},
	}
}

// NewDevice returns the device, with nobody behind its endpoints.
func NewDevice(t testing.TB) *usb.Device {
	t.Helper()
	d, err := usb.NewDevice(Descriptors(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Run runs a device's function until the test ends, which waits for it.
func Run(t testing.TB, function func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { function(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// Receive returns the next transfer of up to 4,096 bytes that the host sends,
// or nil when ctx has ended.
func Receive(ctx context.Context, d *usb.Device) []byte {
	buffer := make([]byte, 4096)
	for {
		n, err := d.Out(BulkOut).Read(ctx, buffer)
		if err == nil {
			return buffer[:n]
		}
		if !errors.Is(err, usb.ErrReset) {
			return nil
		}
	}
}

// Submitter carries URBs out: a usb.Port, or a client of one.
type Submitter interface {
	Submit(*usb.URB)
}

// Connect makes the test the host of p. The channel is closed when the device
// unplugs itself.
func Connect(t testing.TB, p usb.Port) (gone <-chan struct{}) {
	t.Helper()
	gone, err := p.Connect()
	if err != nil {
		t.Fatal(err)
	}
	return gone
}

// Start submits u and returns a channel that is closed when it ends.
func Start(s Submitter, u *usb.URB) <-chan struct{} {
	ended := make(chan struct{})
	u.Done = func(*usb.URB) { close(ended) }
	s.Submit(u)
	return ended
}

// Do submits u, waits for its end and returns it.
func Do(s Submitter, u *usb.URB) *usb.URB {
	<-Start(s, u)
	return u
}

// Control carries out a control transfer. data is sent, or the room for what is
// received.
func Control(s Submitter, setup usb.Setup, data []byte) *usb.URB {
	setup.Length = uint16(len(data))
	return Do(s, &usb.URB{Endpoint: setup.RequestType & usb.DirIn, Setup: setup, Buffer: data})
}

// Configure chooses configuration 1.
func Configure(s Submitter) *usb.URB {
	return Control(s, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil)
}

// Descriptor reads up to size bytes of the first descriptor of a kind.
func Descriptor(s Submitter, kind uint16, size int) []byte {
	setup := usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: kind << 8}
	u := Control(s, setup, make([]byte, size))
	return u.Buffer[:u.Actual]
}
