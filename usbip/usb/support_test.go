package usb_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bulkOut     = 0x01
	bulkIn      = 0x81
	interruptIn = 0x82
	secondIn    = 0x83 // in alternate setting 1 of interface 1 only
)

// example is a device with two interfaces, of which the second has two
// alternate settings, and two configurations.
func example() usb.Descriptors {
	first := usb.Interface{
		Class: 0xff, Name: "Example",
		Endpoints: []usb.Endpoint{
			{Address: bulkOut, Type: usb.Bulk, MaxPacketSize: 512},
			{Address: bulkIn, Type: usb.Bulk, MaxPacketSize: 512},
			{Address: interruptIn, Type: usb.Interrupt, MaxPacketSize: 64, Interval: 4},
		},
	}
	return usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001, Release: 0x0123,
		Manufacturer: "Example", ProductName: "Gerät", Serial: "0042",
		Configurations: []usb.Configuration{
			{Value: 1, MaxPower: 99, RemoteWakeup: true, Interfaces: []usb.Interface{
				first,
				{Number: 1, Class: 0x03},
				{Number: 1, Alternate: 1, Class: 0x03, Endpoints: []usb.Endpoint{
					{Address: secondIn, Type: usb.Interrupt, MaxPacketSize: 1024, Interval: 1},
				}},
			}},
			{Value: 7, SelfPowered: true, Interfaces: []usb.Interface{first}},
		},
		Microsoft: &usb.MicrosoftOS{
			VendorCode: 0x20, CompatibleID: "WINUSB", InterfaceGUID: "{01234567-89ab-cdef-0123-456789abcdef}",
		},
	}
}

func newDevice(t testing.TB, d usb.Descriptors, h usb.Handler) *usb.Device {
	t.Helper()
	device, err := usb.NewDevice(d, h)
	if err != nil {
		t.Fatal(err)
	}
	return device
}

// connected returns an example device with a host, in configuration 1.
func connected(t testing.TB, h usb.Handler) *usb.Device {
	t.Helper()
	d := newDevice(t, example(), h)
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
	return d
}

// control runs a control transfer; IN requests get a buffer of wLength.
func control(p usb.Port, s usb.Setup, data []byte) *usb.URB {
	if s.In() {
		data = make([]byte, s.Length)
	}
	return usbtest.Do(p, &usb.URB{Endpoint: s.RequestType & usb.DirIn, Setup: s, Buffer: data})
}

func wantStatus(t testing.TB, u *usb.URB, want usb.Status) {
	t.Helper()
	if u.Status != want {
		t.Fatalf("endpoint %02x, %v: %v, want %v", u.Endpoint, u.Setup, u.Status, want)
	}
}

func pending(done <-chan struct{}) bool {
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// write runs InEndpoint.Write in a goroutine.
func write(ctx context.Context, e *usb.InEndpoint, p []byte) <-chan error {
	result := make(chan error, 1)
	go func() { result <- e.Write(ctx, p) }()
	return result
}

// reading is the result of OutEndpoint.Read.
type reading struct {
	n   int
	err error
}

// read runs OutEndpoint.Read in a goroutine.
func read(ctx context.Context, e *usb.OutEndpoint, p []byte) <-chan reading {
	result := make(chan reading, 1)
	go func() {
		n, err := e.Read(ctx, p)
		result <- reading{n, err}
	}()
	return result
}

// synchronise takes the notice that the endpoint was reset by SET_CONFIGURATION.
func synchronise(t testing.TB, e *usb.OutEndpoint) {
	t.Helper()
	if _, err := e.Read(t.Context(), nil); err != usb.ErrReset {
		t.Fatalf("first Read: %v, want %v", err, usb.ErrReset)
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 63)
	}
	return b
}
