package ikey_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/ikey"
	"usbhsm7/ikey/internal/folder"
	"usbhsm7/ikey/internal/wire"
	"usbhsm7/ikey/token"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	right = []byte("12345678")
	wrong = []byte("87654321")
)

// contents are what a key of a set of three holds.
func contents() ikey.Contents {
	return ikey.Contents{
		Kind: ikey.SO, Set: ikey.Set{0: 0xa0, 15: 0xaf}, M: 2, N: 3, Index: 3,
		Share: bytes.Repeat([]byte{0x11}, ikey.SecretSize), Check: bytes.Repeat([]byte{0x22}, ikey.CheckSize),
	}
}

func equal(a, b ikey.Contents) bool {
	return a.Kind == b.Kind && a.Set == b.Set && a.M == b.M && a.N == b.N && a.Index == b.Index &&
		bytes.Equal(a.Share, b.Share) && bytes.Equal(a.Check, b.Check)
}

// newStick returns a blank key, which the test closes.
func newStick(t testing.TB) *token.Stick {
	t.Helper()
	memory := folder.File{Folder: &folder.Memory{}, Name: "key"}
	if err := token.Format(memory); err != nil {
		t.Fatal(err)
	}
	return stickOf(t, memory)
}

func stickOf(t testing.TB, memory token.Memory) *token.Stick {
	t.Helper()
	stick, err := token.NewStick(token.New(memory, rand.Reader))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stick.Close)
	return stick
}

func insert(t testing.TB, p *ikey.Port, d ikey.Peripheral) {
	t.Helper()
	if err := p.Insert(d); err != nil {
		t.Fatal(err)
	}
}

// readerOf returns the reader of a port with something in it.
func readerOf(t testing.TB, d ikey.Peripheral) (*ikey.Reader, *ikey.Port) {
	t.Helper()
	port := ikey.NewPort()
	insert(t, port, d)
	return ikey.NewReader(port), port
}

// calls are all that a reader can be asked.
func calls(ctx context.Context, r *ikey.Reader) map[string]func() error {
	return map[string]func() error{
		"identify": func() error { _, err := r.Identify(ctx); return err },
		"read":     func() error { _, err := r.Read(ctx, nil); return err },
		"write":    func() error { return r.Write(ctx, contents(), nil) },
		"change":   func() error { return r.ChangePIN(ctx, nil, right) },
		"erase":    func() error { return r.Erase(ctx) },
	}
}

// lookalike is a device that says it is a key. Nothing animates its endpoints.
func lookalike(t testing.TB) *usb.Device {
	t.Helper()
	return newDevice(t, usb.Descriptors{
		Speed: wire.Speed, Vendor: wire.Vendor, Product: wire.Product,
		Configurations: []usb.Configuration{{Value: wire.Config, Interfaces: []usb.Interface{{
			Class: wire.Class, Endpoints: []usb.Endpoint{
				{Address: wire.Out, Type: usb.Bulk, MaxPacketSize: wire.Packet},
				{Address: wire.In, Type: usb.Bulk, MaxPacketSize: wire.Packet},
			},
		}}}},
	})
}

func newDevice(t testing.TB, d usb.Descriptors) *usb.Device {
	t.Helper()
	device, err := usb.NewDevice(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return device
}
