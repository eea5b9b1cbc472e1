package capture_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect makes the test the host of a device, and configures it.
func connect(t testing.TB, port usb.Port) usb.Port {
	t.Helper()
	usbtest.Connect(t, port)
	usbtest.Configure(port)
	return port
}

// configurationDescriptor has the host do something small.
func configurationDescriptor(port usb.Port) []byte {
	return usbtest.Descriptor(port, usb.DescriptorConfiguration, 255)
}

// memory is a Sink that keeps packets.
type memory struct {
	mu      sync.Mutex
	packets []capture.Packet
	dropped []uint64
	closed  capture.Statistics
}

func (m *memory) Write(p *capture.Packet, dropped uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.packets, m.dropped = append(m.packets, *p), append(m.dropped, dropped)
	return nil
}

func (m *memory) Flush(capture.Statistics) error { return nil }

func (m *memory) Close(s capture.Statistics) error {
	m.closed = s
	return nil
}

// record captures what work does to a device.
func record(t testing.TB, o capture.Options, work func(d *usb.Device, p usb.Port)) []capture.Packet {
	t.Helper()
	d, tap, sink := usbtest.NewDevice(t), capture.NewTap(), &memory{}
	c := tap.Start(sink, o)
	work(d, tap.Port(d, capture.Place{Bus: 3, Device: 9, Configurations: d.Descriptors().Configurations}))
	if _, err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	return sink.packets
}

// readAll reads a whole file.
func readAll(t rapid.TB, file []byte) ([]*capture.Packet, *capture.Reader) {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var packets []*capture.Packet
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return packets, r
		}
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
}
