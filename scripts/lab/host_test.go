//go:build lab

package lab_test

import (
	"context"
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/usb"
)

// host is a USB host in user space: the project's client, one URB at a time.
// What cannot be done ends the test.
type host struct {
	*client.Device
	ctx context.Context
	t   *testing.T
}

// importDevice imports a device; it is given back when the test ends.
func importDevice(ctx context.Context, t *testing.T, address, busID string) *host {
	t.Helper()
	d, err := client.Import(ctx, address, busID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return &host{d, ctx, t}
}

// submit starts a URB and returns what waits for its end.
func (h *host) submit(u *usb.URB) (wait func() *usb.URB) {
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	h.Submit(u)
	return func() *usb.URB {
		h.t.Helper()
		select {
		case <-done:
		case <-h.ctx.Done():
			h.t.Fatalf("the URB of endpoint %#02x has not ended: %v", u.Endpoint, h.ctx.Err())
		}
		return u
	}
}

func (h *host) do(u *usb.URB) *usb.URB {
	h.t.Helper()
	return h.submit(u)()
}

// must is do for a URB that has to succeed.
func (h *host) must(u *usb.URB) *usb.URB {
	h.t.Helper()
	if h.do(u); u.Status != usb.OK {
		h.t.Fatalf("endpoint %#02x, setup %v: %v (%v)", u.Endpoint, u.Setup, u.Status, h.Err())
	}
	return u
}

// get returns a control transfer that reads.
func get(requestType, request uint8, value, index, length uint16) *usb.URB {
	return &usb.URB{
		Endpoint: usb.DirIn, Buffer: make([]byte, length),
		Setup: usb.Setup{RequestType: usb.DirIn | requestType, Request: request, Value: value, Index: index, Length: length},
	}
}

// set returns a control transfer without data.
func set(requestType, request uint8, value, index uint16) *usb.URB {
	return &usb.URB{Setup: usb.Setup{RequestType: requestType, Request: request, Value: value, Index: index}}
}

// in returns a transfer from an endpoint, out one to it.
func in(endpoint uint8, size int) *usb.URB {
	return &usb.URB{Endpoint: endpoint, Buffer: make([]byte, size)}
}

func out(endpoint uint8, data []byte) *usb.URB { return &usb.URB{Endpoint: endpoint, Buffer: data} }

func data(u *usb.URB) []byte { return u.Buffer[:u.Actual] }

const usEnglish = 0x0409

// descriptors reads the device descriptor and all configurations, each as hosts
// do: its beginning first, to learn the length.
func (h *host) descriptors() []byte {
	h.t.Helper()
	all := data(h.must(get(0, usb.GetDescriptor, usb.DescriptorDevice<<8, 0, 18)))
	if len(all) != 18 {
		h.t.Fatalf("device descriptor of %d bytes: % x", len(all), all)
	}
	for i := range uint16(all[17]) {
		value := usb.DescriptorConfiguration<<8 | i
		head := data(h.must(get(0, usb.GetDescriptor, value, 0, 9)))
		all = append(all, data(h.must(get(0, usb.GetDescriptor, value, 0, binary.LittleEndian.Uint16(head[2:]))))...)
	}
	return all
}

// text reads a string descriptor.
func (h *host) text(index uint8) string {
	h.t.Helper()
	raw := data(h.must(get(0, usb.GetDescriptor, usb.DescriptorString<<8|uint16(index), usEnglish, 255)))
	var units []uint16
	for i := 2; i+1 < len(raw); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(raw[i:]))
	}
	return string(utf16.Decode(units))
}

func (h *host) configure(value uint16) {
	h.t.Helper()
	h.must(set(0, usb.SetConfiguration, value, 0))
}

// clearHalt ends the halt of an endpoint (USB 2.0 section 9.4.1).
func (h *host) clearHalt(endpoint uint8) {
	h.t.Helper()
	h.must(set(usb.RecipientEndpoint, usb.ClearFeature, usb.FeatureEndpointHalt, uint16(endpoint)))
}
