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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bulkOut     = 0x01
	bulkIn      = 0x81
	interruptIn = 0x82
)

// newDevice returns a device with one endpoint of each kind that the tests need.
func newDevice(t testing.TB) *usb.Device {
	t.Helper()
	d, err := usb.NewDevice(usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001, Serial: "0001",
		Configurations: []usb.Configuration{{
			Value: 1,
			Interfaces: []usb.Interface{{
				Class: 0xff,
				Endpoints: []usb.Endpoint{
					{Address: bulkOut, Type: usb.Bulk, MaxPacketSize: 512},
					{Address: bulkIn, Type: usb.Bulk, MaxPacketSize: 512},
					{Address: interruptIn, Type: usb.Interrupt, MaxPacketSize: 64, Interval: 4},
				},
			}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// host drives a port.
type host struct {
	t    testing.TB
	port usb.Port
}

// connect returns a host that has configured the device.
func connect(t testing.TB, port usb.Port) *host {
	t.Helper()
	if _, err := port.Connect(); err != nil {
		t.Fatal(err)
	}
	h := &host{t, port}
	h.control(usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil)
	return h
}

// submit starts a URB and returns a channel that is closed at its end.
func (h *host) submit(u *usb.URB) <-chan struct{} {
	ended := make(chan struct{})
	u.Done = func(*usb.URB) { close(ended) }
	h.port.Submit(u)
	return ended
}

// do carries a URB out.
func (h *host) do(u *usb.URB) *usb.URB {
	<-h.submit(u)
	return u
}

func (h *host) control(s usb.Setup, data []byte) *usb.URB {
	s.Length = uint16(len(data))
	u := &usb.URB{Setup: s, Buffer: data}
	if s.In() {
		u.Endpoint = usb.DirIn
	}
	return h.do(u)
}

func (h *host) configurationDescriptor() []byte {
	return h.control(usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorConfiguration << 8}, make([]byte, 255)).Buffer
}

// receive returns the next transfer that the host sends.
func receive(t testing.TB, d *usb.Device) []byte {
	buffer := make([]byte, 4096)
	for {
		n, err := d.Out(bulkOut).Read(t.Context(), buffer)
		if errors.Is(err, usb.ErrReset) {
			continue
		}
		if err != nil {
			t.Error(err)
		}
		return buffer[:n]
	}
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
	d, tap, sink := newDevice(t), capture.NewTap(), &memory{}
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
