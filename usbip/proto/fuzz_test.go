package proto_test

import (
	"bytes"
	"testing"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// FuzzHeader decodes any header as any message. What is accepted is within the
// limits and encodes as the bytes it came from, as far as the message uses them.
func FuzzHeader(f *testing.F) {
	for _, message := range messages(f) {
		f.Add(message[:proto.HeaderSize])
	}
	f.Add((&proto.Unlink{Seq: 1, DevID: 2, Victim: 3}).Append(nil))
	f.Add((&proto.UnlinkReply{Seq: 1, Status: usb.ECONNRESET}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < proto.HeaderSize {
			return
		}
		h := (*proto.Header)(b)
		if s, err := proto.ParseSubmit(h); err == nil {
			if s.Payload() < 0 || s.Payload() > proto.MaxTransfer+proto.MaxIsoPackets*proto.IsoPacketSize {
				t.Fatalf("%+v has a payload of %d bytes", s, s.Payload())
			}
			if !bytes.Equal(s.Append(nil), h[:]) {
				t.Fatalf("%+v encodes as % x, came from % x", s, s.Append(nil), h)
			}
		}
		if r, err := proto.ParseSubmitReply(h); err == nil {
			if again, err := proto.ParseSubmitReply((*proto.Header)(r.Append(nil))); err != nil || again != r {
				t.Fatalf("%+v becomes %+v, %v", r, again, err)
			}
		}
		if u, err := proto.ParseUnlink(h); err == nil {
			if again, err := proto.ParseUnlink((*proto.Header)(u.Append(nil))); err != nil || again != u {
				t.Fatalf("%+v becomes %+v, %v", u, again, err)
			}
		}
		if r, err := proto.ParseUnlinkReply(h); err == nil {
			if again, err := proto.ParseUnlinkReply((*proto.Header)(r.Append(nil))); err != nil || again != r {
				t.Fatalf("%+v becomes %+v, %v", r, again, err)
			}
		}
	})
}

// FuzzHandshake reads any bytes as each handshake message.
func FuzzHandshake(f *testing.F) {
	device := proto.Device{Path: "/x", BusID: "1-1", Bus: 1, Number: 1}
	device.Interfaces = make([]usb.InterfaceClass, 2)
	f.Add(proto.AppendImport(nil, "1-1"))
	f.Add(proto.AppendDevices(nil, []proto.Device{device, device}))
	f.Add(device.Append(proto.Op{Code: proto.OpReplyImport}.Append(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		op, err := proto.ReadOp(r)
		if err != nil {
			return
		}
		if !bytes.Equal(op.Append(nil), b[:proto.OpSize]) {
			t.Fatalf("%+v encodes as % x, came from % x", op, op.Append(nil), b[:proto.OpSize])
		}
		body := b[proto.OpSize:]
		if id, err := proto.ReadBusID(bytes.NewReader(body)); err == nil && len(id) >= proto.BusIDSize {
			t.Fatalf("bus ID of %d bytes", len(id))
		}
		devices, err := proto.ReadDevices(bytes.NewReader(body))
		if err != nil {
			return
		}
		again, err := proto.ReadDevices(bytes.NewReader(proto.AppendDevices(nil, devices)[proto.OpSize:]))
		if err != nil || len(again) != len(devices) {
			t.Fatalf("%d devices become %d, %v", len(devices), len(again), err)
		}
	})
}

// FuzzIsoPackets decodes any bytes as packet descriptors.
func FuzzIsoPackets(f *testing.F) {
	f.Add(proto.AppendIsoPackets(nil, []usb.IsoPacket{{Length: 8, Actual: 8}, {Offset: 8, Length: 8}}), uint16(16))
	f.Fuzz(func(t *testing.T, b []byte, length uint16) {
		packets := make([]usb.IsoPacket, len(b)/proto.IsoPacketSize)
		if err := proto.ParseIsoPackets(b, packets, int(length)); err != nil {
			return
		}
		buffer := make([]byte, length)
		total := 0
		for _, p := range packets {
			total += len(buffer[p.Offset : p.Offset+p.Length])
		}
		if total > len(buffer) {
			t.Fatalf("%+v take %d bytes of %d", packets, total, length)
		}
		if err := proto.ParseIsoResults(b, packets, len(buffer), int(length)); err != nil {
			return
		}
		if !bytes.Equal(proto.AppendIsoPackets(nil, packets), b) {
			t.Fatalf("%+v do not encode as % x", packets, b)
		}
	})
}
