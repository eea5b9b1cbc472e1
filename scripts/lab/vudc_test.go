//go:build lab

package lab_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/usb"
)

// The gadget that usbip-vudc exports: configuration 1 sends and drains data
// without end, configuration 2 sends back what it gets.
const (
	gadgetID   = "usbip-vudc.0" // its bus ID, too
	source     = 1
	loopback   = 2
	packetSize = 512
)

var labGadget = lab.Gadget{
	Name: "lab", Controller: gadgetID, Vendor: 0x0525, Product: 0xa4a0, Serial: serial,
	Functions: []string{"SourceSink", "Loopback"}, Pattern: 1,
}

// gadgetServer has usbipd export the gadget, which is made for the first check,
// and returns the server's address.
func (b *bench) gadgetServer(ctx context.Context, t *testing.T) string {
	t.Helper()
	if _, err := b.Get(ctx, "/sys/kernel/config/usb_gadget/lab/UDC"); err != nil {
		if err := b.Plug(ctx, labGadget); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Serve(ctx, gadgetPort, lab.Gadgets); err != nil {
		t.Fatal(err)
	}
	return b.Address(gadgetPort)
}

// gadget imports the gadget and returns the addresses of its first IN and its
// first OUT endpoint in the configuration, which depend on the controller.
func (b *bench) gadget(ctx context.Context, t *testing.T, configuration uint8) (h *host, in, out uint8) {
	t.Helper()
	address := b.gadgetServer(ctx, t)
	b.awaitGadgetFree(ctx, t)
	h = importDevice(ctx, t, address, gadgetID)
	in, out = bulkEndpoints(h.descriptors(), configuration)
	if in == 0 || out == 0 {
		t.Fatalf("no bulk endpoints in % x", h.descriptors())
	}
	h.configure(uint16(configuration))
	return h, in, out
}

// awaitGadgetFree waits until usbip-vudc has taken note that a client left
// (SDEV_ST_AVAILABLE).
func (b *bench) awaitGadgetFree(ctx context.Context, t *testing.T) {
	t.Helper()
	b.run(ctx, t, "sh", "-c", "until grep -q 1 /sys/bus/platform/devices/usbip-vudc.0/usbip_status; do sleep 0.02; done")
}

// bulkEndpoints walks through descriptors, each of which begins with its length
// and type.
func bulkEndpoints(raw []byte, configuration uint8) (in, out uint8) {
	current := uint8(0)
	for len(raw) >= 2 && raw[0] >= 2 && int(raw[0]) <= len(raw) {
		d := raw[:raw[0]]
		raw = raw[raw[0]:]
		switch {
		case d[1] == usb.DescriptorConfiguration:
			current = d[5]
		case d[1] != usb.DescriptorEndpoint || current != configuration || usb.EndpointType(d[3]&3) != usb.Bulk:
		case d[2]&usb.DirIn != 0 && in == 0:
			in = d[2]
		case d[2]&usb.DirIn == 0 && out == 0:
			out = d[2]
		}
	}
	return in, out
}

// pattern returns what the gadget sends and expects.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i % packetSize % 63)
	}
	return b
}

func gadgetImport(ctx context.Context, t *testing.T, b *bench) string {
	address := b.gadgetServer(ctx, t)
	d, ok := listed(ctx, t, address, gadgetID)
	if !ok || d.Vendor != labGadget.Vendor || d.Product != labGadget.Product || d.Speed != usb.SpeedHigh {
		t.Errorf("listed as %+v (%t)", d, ok)
	}
	first := importDevice(ctx, t, address, gadgetID)
	if _, err := client.Import(ctx, address, gadgetID); !errors.Is(err, client.ErrBusy) {
		t.Errorf("second import: %v, want %v", err, client.ErrBusy)
	}
	first.descriptors()
	first.Close()
	b.awaitGadgetFree(ctx, t)
	again := importDevice(ctx, t, address, gadgetID)
	raw := again.descriptors()
	if got := fmt.Sprintf("%04x:%04x", binary.LittleEndian.Uint16(raw[8:]), binary.LittleEndian.Uint16(raw[10:])); got != "0525:a4a0" {
		t.Errorf("device descriptor of %s", got)
	}
	if got := again.text(raw[16]); got != serial {
		t.Errorf("serial number %q, want %q", got, serial)
	}
	return "device number 0, second import refused"
}

func gadgetData(ctx context.Context, t *testing.T, b *bench) string {
	const size = 16 << 10
	h, from, to := b.gadget(ctx, t, source)
	if got := data(h.must(in(from, size))); !bytes.Equal(got, pattern(size)) {
		t.Error("the source does not send its pattern")
	}
	for _, u := range []*usb.URB{out(to, pattern(size)), out(to, nil), {Endpoint: to, Buffer: pattern(packetSize), Flags: usb.ZeroPacket}} {
		if h.must(u); u.Actual != len(u.Buffer) {
			t.Errorf("the sink took %d of %d bytes", u.Actual, len(u.Buffer))
		}
	}
	h.Close()
	h, from, to = b.gadget(ctx, t, loopback)
	text := []byte(strings.Repeat("there and back. ", 50))
	h.must(out(to, text))
	if got := data(h.must(in(from, 4096))); !bytes.Equal(got, text) {
		t.Errorf("%q came back, want %q", got, text)
	}
	return "pattern, zero-length transfers and echo"
}

func gadgetHalt(ctx context.Context, t *testing.T, b *bench) string {
	h, from, to := b.gadget(ctx, t, source)
	if u := h.do(get(usb.TypeVendor, 0x77, 0, 0, 1)); u.Status != usb.EPIPE {
		t.Errorf("unknown request: %v, want %v", u.Status, usb.EPIPE)
	}
	for _, u := range []*usb.URB{in(from, packetSize), out(to, pattern(packetSize))} {
		h.must(set(usb.RecipientEndpoint, usb.SetFeature, usb.FeatureEndpointHalt, uint16(u.Endpoint)))
		if h.do(u); u.Status != usb.EPIPE {
			t.Errorf("halted endpoint %#02x: %v, want %v", u.Endpoint, u.Status, usb.EPIPE)
		}
		h.clearHalt(u.Endpoint)
		h.must(u)
	}
	return "control, IN and OUT"
}

func gadgetCancel(ctx context.Context, t *testing.T, b *bench) string {
	h, from, to := b.gadget(ctx, t, loopback)
	const times, depth = 5, 8
	for range times {
		var waits []func() *usb.URB
		var urbs []*usb.URB
		for range depth {
			u := in(from, 4096)
			urbs, waits = append(urbs, u), append(waits, h.submit(u))
		}
		h.descriptors() // the server has them
		for i, u := range urbs {
			h.Cancel(u)
			if waits[i](); u.Status != usb.ECONNRESET {
				t.Fatalf("a cancelled URB ended with %v (%v), want %v", u.Status, h.Err(), usb.ECONNRESET)
			}
		}
	}
	h.must(out(to, []byte("still there")))
	if got := string(data(h.must(in(from, 4096)))); got != "still there" {
		t.Errorf("%q came back", got)
	}
	return fmt.Sprintf("%d of %d", times*depth, times*depth)
}

// gadgetRace cancels URBs that are about to finish by themselves. Whoever wins,
// each ends; a server that loses its place is found out.
func gadgetRace(ctx context.Context, t *testing.T, b *bench) string {
	h, from, _ := b.gadget(ctx, t, source)
	const times, depth = 10, 16
	ends := map[usb.Status]int{}
	for range times {
		var waits []func() *usb.URB
		var urbs []*usb.URB
		for range depth {
			u := in(from, packetSize)
			urbs, waits = append(urbs, u), append(waits, h.submit(u))
		}
		for i := range depth {
			h.Cancel(urbs[depth-1-i]) // from the one that comes last
			ends[waits[i]().Status]++ // to the one that has just come
		}
	}
	if ends[usb.OK]+ends[usb.ECONNRESET] != times*depth || ends[usb.OK] == 0 || ends[usb.ECONNRESET] == 0 {
		t.Errorf("URBs ended with %v (%v), want some finished and the others cancelled", ends, h.Err())
	}
	h.must(in(from, packetSize))
	return fmt.Sprintf("%d finished, %d were cancelled", ends[usb.OK], ends[usb.ECONNRESET])
}

func gadgetUnplug(ctx context.Context, t *testing.T, b *bench) string {
	h, from, _ := b.gadget(ctx, t, loopback)
	wait := h.submit(in(from, 4096))
	h.descriptors()
	if err := b.Put(ctx, "/sys/kernel/config/usb_gadget/lab/UDC", 0o644, []byte("\n")); err != nil {
		t.Fatal(err)
	}
	u := wait()
	<-h.Gone()
	gone := h.Err()
	if u.Status != usb.ESHUTDOWN || !errors.Is(gone, client.ErrDisconnected) {
		t.Errorf("the pending URB ended with %v, the device with %v", u.Status, gone)
	}
	if err := b.Put(ctx, "/sys/kernel/config/usb_gadget/lab/UDC", 0o644, []byte(gadgetID)); err != nil {
		t.Fatal(err)
	}
	h, from, to := b.gadget(ctx, t, loopback)
	h.must(out(to, []byte("back")))
	if got := string(data(h.must(in(from, 4096)))); got != "back" {
		t.Errorf("%q came back", got)
	}
	return gone.Error() + "; plugged in again, it works"
}
