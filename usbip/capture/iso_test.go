package capture_test

import (
	"bytes"
	"testing"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

// isoPort ends every isochronous URB as the test says.
type isoPort struct{ end func(u *usb.URB) }

func (p isoPort) Submit(u *usb.URB) {
	if status := u.Prepare(); status != usb.OK {
		u.Complete(0, status)
		return
	}
	p.end(u)
	u.Complete(0, usb.OK)
}

func (isoPort) Cancel(*usb.URB) {}

func TestIsochronousTransfers(t *testing.T) {
	tap, sink := capture.NewTap(), &memory{}
	c := tap.Start(sink, capture.Options{})
	port := tap.Submitter(isoPort{func(u *usb.URB) {
		u.StartFrame = 99
		u.Packets[0].Status, u.Packets[1].Status = usb.OK, usb.OK
		u.Packets[0].Actual, u.Packets[1].Actual = 4, 2
		copy(u.Buffer[0:], "abcd")
		copy(u.Buffer[8:], "ef")
	}}, capture.Place{Bus: 1, Device: 1})
	packets := []usb.IsoPacket{{Offset: 0, Length: 8}, {Offset: 8, Length: 8}, {Offset: 16, Length: 8}}
	port.Submit(&usb.URB{Endpoint: 0x83, Buffer: make([]byte, 24), Packets: packets, StartFrame: 7, Interval: 8, Done: func(*usb.URB) {}})
	if _, err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	expect(t, sink.packets, `S iso 83 -115 24 ""`, `C iso 83 0 6 "abcd\x00\x00\x00\x00ef"`)
	begin, end := sink.packets[0], sink.packets[1]
	if begin.Frame != 7 || end.Frame != 99 || begin.Interval != 8 || begin.Errors != 0 || end.Errors != 1 || len(end.Packets) != 3 {
		t.Errorf("begin %+v, end %+v", begin, end)
	}
	read, _ := readAll(t, write(t, capture.Header{}, sink.packets...))
	if s := read[0].Packets[2]; s.Length != 8 || s.Status != usb.EXDEV || s.Offset != 16 {
		t.Errorf("packet of the submission: %+v", s)
	}
	if e := read[1].Packets[1]; e.Actual != 2 || e.Status != usb.OK || !bytes.Equal(read[1].Data, end.Data) {
		t.Errorf("packet of the completion: %+v, data %q", e, read[1].Data)
	}
}
