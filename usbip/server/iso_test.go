package server_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

const (
	isoOut    = 0x03
	isoIn     = 0x83
	isoPacket = 96 // wMaxPacketSize of both
)

// newIsoDevice returns a device whose isochronous endpoints are in alternate
// setting 1.
func newIsoDevice(t testing.TB) *usb.Device {
	t.Helper()
	d := usbtest.Descriptors()
	with := d.Configurations[0].Interfaces[0]
	with.Alternate = 1
	with.Endpoints = append(slices.Clone(with.Endpoints),
		usb.Endpoint{Address: isoOut, Type: usb.Isochronous, MaxPacketSize: isoPacket, Interval: 1},
		usb.Endpoint{Address: isoIn, Type: usb.Isochronous, MaxPacketSize: isoPacket, Interval: 1})
	d.Configurations[0].Interfaces = append(d.Configurations[0].Interfaces, with)
	device, err := usb.NewDevice(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return device
}

// attachIso imports an iso device and turns its isochronous endpoints on.
func attachIso(t testing.TB, addr string) *host {
	h := attach(t, addr)
	h.control(usb.Setup{RequestType: usb.RecipientInterface, Request: usb.SetInterface, Value: 1}, nil)
	return h
}

// TestAnyLayoutOfIsochronousPacketsArrives moves packets of any sizes, with gaps
// and in any order, both ways, and looks at every byte of both ends.
func TestAnyLayoutOfIsochronousPacketsArrives(t *testing.T) {
	d := newIsoDevice(t)
	var sent, taken [][]byte
	if err := d.Source(isoIn, func(int) []byte {
		packet := sent[0]
		sent = sent[1:]
		return packet
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Sink(isoOut, func(p []byte) { taken = append(taken, bytes.Clone(p)) }); err != nil {
		t.Fatal(err)
	}
	addr, _ := serve(t, server.Options{}, d)
	h := attachIso(t, addr)

	rapid.Check(t, func(r *rapid.T) {
		packets, size := drawLayout(r)
		data := rapid.SliceOfN(rapid.Byte(), size, size).Draw(r, "data")
		taken = nil
		out := h.do(&usb.URB{Endpoint: isoOut, Buffer: bytes.Clone(data), Packets: slices.Clone(packets)})
		checkIso(r, out, packets, func(i int) ([]byte, usb.Status) {
			p := packets[i]
			if p.Length > isoPacket {
				return nil, usb.EXDEV
			}
			got := taken[0]
			taken = taken[1:]
			return got, usb.OK
		})
		if len(taken) != 0 {
			r.Errorf("the function got %d packets too many", len(taken))
		}

		answers := make([][]byte, len(packets))
		for i := range answers {
			answers[i] = rapid.SliceOfN(rapid.Byte(), 0, isoPacket+2).Draw(r, "packet")
		}
		sent = answers
		in := h.do(&usb.URB{Endpoint: isoIn, Buffer: bytes.Clone(data), Packets: slices.Clone(packets)})
		checkIso(r, in, packets, func(i int) ([]byte, usb.Status) {
			room := min(packets[i].Length, isoPacket)
			if len(answers[i]) > room {
				return answers[i][:room], usb.EOVERFLOW
			}
			return answers[i], usb.OK
		})
		checkGaps(r, in, data)
	})
}

// drawLayout draws packets within a buffer and the size of the buffer.
func drawLayout(r *rapid.T) ([]usb.IsoPacket, int) {
	var packets []usb.IsoPacket
	size := 0
	for range rapid.IntRange(1, 40).Draw(r, "packets") {
		size += rapid.IntRange(0, 3).Draw(r, "gap")
		length := rapid.IntRange(0, isoPacket+1).Draw(r, "length")
		packets = append(packets, usb.IsoPacket{Offset: size, Length: length})
		size += length
	}
	return rapid.Permutation(packets).Draw(r, "order"), size + rapid.IntRange(0, 3).Draw(r, "gap at the end")
}

// checkIso compares a URB that has ended with what each packet should hold.
func checkIso(r *rapid.T, u *usb.URB, asked []usb.IsoPacket, want func(i int) ([]byte, usb.Status)) {
	total := 0
	for i, p := range u.Packets {
		data, status := want(i)
		got := u.Buffer[p.Offset : p.Offset+p.Actual]
		if p.Offset != asked[i].Offset || p.Length != asked[i].Length || p.Status != status || !bytes.Equal(got, data) {
			r.Errorf("packet %d: %+v with % x, want %v with % x", i, p, got, status, data)
		}
		total += p.Actual
	}
	if u.Status != usb.OK || u.Actual != total {
		r.Errorf("URB ends with %v and %d bytes, want %d", u.Status, u.Actual, total)
	}
}

// checkGaps: what no packet filled is as it was.
func checkGaps(r *rapid.T, u *usb.URB, before []byte) {
	filled := make([]bool, len(before))
	for _, p := range u.Packets {
		for i := range p.Actual {
			filled[p.Offset+i] = true
		}
	}
	for i, b := range before {
		if !filled[i] && u.Buffer[i] != b {
			r.Errorf("byte %d outside every packet has changed", i)
		}
	}
}
