package capture_test

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

// FuzzReader reads any bytes. What it makes of them can be written, and is then
// read back the same.
func FuzzReader(f *testing.F) {
	setup := usb.Setup{RequestType: 0x80, Request: 6, Value: 0x0100, Length: 18}
	f.Add(write(f, capture.Header{}))
	f.Add(write(f, capture.Header{Redacted: true, Snap: 70},
		capture.Packet{ID: 1, Event: capture.Submission, Type: usb.Control, Endpoint: 0x80, Setup: &setup, Length: 18},
		capture.Packet{ID: 1, Event: capture.Completion, Type: usb.Control, Endpoint: 0x80, Length: 18, Data: make([]byte, 18)},
		capture.Packet{ID: 2, Event: capture.Completion, Type: usb.Isochronous, Endpoint: 0x83, Packets: make([]usb.IsoPacket, 2)}))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := capture.NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		for {
			p, err := r.Next()
			if errors.Is(err, capture.ErrPacket) {
				continue
			}
			if err != nil {
				return
			}
			checkPacket(t, p, len(file))
		}
	})
}

func checkPacket(t *testing.T, p *capture.Packet, size int) {
	if len(p.Data)+16*len(p.Packets) > size {
		t.Fatalf("%d bytes and %d descriptors out of a file of %d", len(p.Data), len(p.Packets), size)
	}
	p.Comments = nil
	again, _ := readAll(t, write(t, capture.Header{}, *p))
	if len(again) != 1 || again[0].ID != p.ID || again[0].Event != p.Event || again[0].Type != p.Type || !bytes.Equal(again[0].Data, p.Data) {
		t.Fatalf("read %+v, and again %+v", p, again)
	}
}
