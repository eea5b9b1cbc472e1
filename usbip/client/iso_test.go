package client_test

import (
	"bytes"
	"slices"
	"testing"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

const (
	isoIn  = 0x82
	isoOut = 0x02
)

// isoURB has room for packets of 4, 3 and 5 bytes, the second of which comes
// first in the buffer, and 2 bytes that belong to none.
func isoURB(endpoint uint8) *usb.URB {
	return &usb.URB{
		Endpoint: endpoint, Buffer: []byte("..............")[:14],
		Packets: []usb.IsoPacket{{Offset: 4, Length: 4}, {Offset: 0, Length: 3}, {Offset: 9, Length: 5}},
	}
}

// isoReply encodes a reply: its header, data, and packets.
func isoReply(r proto.SubmitReply, data string, packets []usb.IsoPacket) []byte {
	return proto.AppendIsoPackets(append(r.Append(nil), data...), packets)
}

func TestIsochronousSubmitOnTheWire(t *testing.T) {
	for _, endpoint := range []uint8{isoIn, isoOut} {
		d, server := imported(t)
		u := isoURB(endpoint)
		u.StartFrame, u.Interval, u.Flags = 77, 8, usb.IsoASAP
		done := usbtest.Start(d, u)
		got := server.submit()
		want := proto.Submit{
			Seq: got.Seq, DevID: 1<<16 | 2, In: endpoint == isoIn, Endpoint: 2, Length: 14,
			Packets: 3, StartFrame: 77, Interval: 8, Flags: usb.IsoASAP,
		}
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		var data []byte
		if endpoint == isoOut { // the whole buffer, gaps included
			data = u.Buffer
		}
		for _, p := range u.Packets { // as Linux sends them
			p.Actual, p.Status = 0, usb.EXDEV
			data = proto.AppendIsoPackets(bytes.Clone(data), []usb.IsoPacket{p})
		}
		if b := server.read(want.Payload()); !bytes.Equal(b, data) {
			t.Errorf("endpoint %02x: payload % x, want % x", endpoint, b, data)
		}
		server.Close()
		<-done
	}
}

func TestIsochronousDataFindsItsPlace(t *testing.T) {
	d, server := imported(t)
	u := isoURB(isoIn)
	done := usbtest.Start(d, u)
	packets := slices.Clone(u.Packets)
	s := server.submit()
	server.read(s.Payload())
	packets[0].Actual, packets[1].Actual, packets[2].Actual = 2, 3, 0
	packets[2].Status = usb.EILSEQ
	server.send(isoReply(proto.SubmitReply{Seq: s.Seq, Actual: 5, Packets: 3, Errors: 1, StartFrame: 99}, "ABcde", packets))
	<-done
	if u.Status != usb.OK || u.Actual != 5 || u.StartFrame != 99 || !slices.Equal(u.Packets, packets) {
		t.Errorf("%v, %d bytes from frame %d, %+v; want %+v", u.Status, u.Actual, u.StartFrame, u.Packets, packets)
	}
	if want := "cde.AB........"; string(u.Buffer) != want {
		t.Errorf("buffer %q, want %q", u.Buffer, want)
	}
}
