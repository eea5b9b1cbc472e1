package client_test

import (
	"slices"
	"strings"
	"testing"

	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// asked are the packets of an isochronous IN URB with a buffer of 20 bytes.
var asked = []usb.IsoPacket{{Offset: 0, Length: 8}, {Offset: 12, Length: 8}}

// isoStrictness has the rules for isochronous URBs. A row spoils the sound reply
// in which the packets hold "one" and "three".
var isoStrictness = []struct {
	name  string
	rule  oracle.Rule
	fault string // what the client says; "" = it carries on
	spoil func(r *proto.SubmitReply, packets []usb.IsoPacket)
	short int    // how many descriptors are not sent
	want  string // the data of both packets if the client carries on
}{
	{name: "sound reply", want: "one three"},
	{
		name: "sum above the length", rule: oracle.BadSum, fault: "packets moved 8 bytes, the reply says 7",
		spoil: func(r *proto.SubmitReply, _ []usb.IsoPacket) { r.Actual = 7 },
	},
	{
		name: "sum below the length", rule: oracle.BadSum, fault: "packets moved 6 bytes, the reply says 8",
		spoil: func(_ *proto.SubmitReply, p []usb.IsoPacket) { p[0].Actual = 1 },
	},
	{
		name: "more packets than submitted", rule: oracle.PacketsInvented, fault: "with 3 isochronous packets, asked for 2",
		spoil: func(r *proto.SubmitReply, _ []usb.IsoPacket) { r.Packets = 3 },
	},
	{
		name: "negative number of packets", rule: oracle.PacketsInvented, fault: "with -1 isochronous packets",
		spoil: func(r *proto.SubmitReply, _ []usb.IsoPacket) { r.Packets = -1 },
	},
	{
		name: "more than the length of a packet", rule: oracle.OutsidePlace, fault: "isochronous packet 0 with 9 bytes",
		spoil: func(_ *proto.SubmitReply, p []usb.IsoPacket) { p[0].Actual, p[0].Length = 9, 9 },
	},
	{
		name: "more than the buffer", rule: oracle.TooLong, fault: "with 21 bytes, asked for 20",
		spoil: func(r *proto.SubmitReply, _ []usb.IsoPacket) { r.Actual = 21 },
	},
	{
		name: "packet beyond the buffer", rule: oracle.OutsidePlace, fault: "at offset 16",
		spoil: func(_ *proto.SubmitReply, p []usb.IsoPacket) { p[1].Offset = 16 },
	},
	{
		name: "offset of the largest number", rule: oracle.OutsidePlace, fault: "at offset 4294967295",
		spoil: func(_ *proto.SubmitReply, p []usb.IsoPacket) { p[1].Offset = -1 },
	},
	{
		name: "another place within the buffer", rule: oracle.PacketMoved, want: "one three",
		spoil: func(_ *proto.SubmitReply, p []usb.IsoPacket) { p[1].Offset, p[1].Length = 10, 5 },
	},
	{
		name: "last packet missing", rule: oracle.PacketsMissing, want: "one ", short: 1,
		spoil: func(r *proto.SubmitReply, _ []usb.IsoPacket) { r.Packets, r.Actual = 1, 3 },
	},
	{
		name: "all packets missing", rule: oracle.PacketsMissing, want: " ", short: 2,
		spoil: func(r *proto.SubmitReply, _ []usb.IsoPacket) { r.Packets = 0 },
	},
	{
		name: "positive status of a packet", rule: oracle.ErrorCount, want: "one three",
		spoil: func(_ *proto.SubmitReply, p []usb.IsoPacket) { p[0].Status = 1 },
	},
	{
		name: "wrong count of failures", rule: oracle.ErrorCount, want: "one three",
		spoil: func(r *proto.SubmitReply, _ []usb.IsoPacket) { r.Errors = 5 },
	},
}

// TestClientEndsWhereVHCIDoesForPackets plays each row to a client.
func TestClientEndsWhereVHCIDoesForPackets(t *testing.T) {
	for _, row := range isoStrictness {
		t.Run(row.name, func(t *testing.T) {
			d, server, wire := judged(t)
			u := &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 20), Packets: slices.Clone(asked)}
			done := usbtest.Start(d, u)
			seq := server.submit().Seq
			server.read(2 * proto.IsoPacketSize)

			packets := slices.Clone(asked)
			packets[0].Actual, packets[1].Actual = 3, 5
			r := proto.SubmitReply{Seq: seq, Actual: 8, Packets: 2}
			if row.spoil != nil {
				row.spoil(&r, packets)
			}
			message := append(r.Append(nil), "onethree"[:min(r.Actual, 8)]...)
			server.send(proto.AppendIsoPackets(message, packets[:2-row.short]))
			if row.fault == "" {
				<-done
				stillThere(t, d, server)
				if got := contents(u); got != row.want || u.Status != usb.OK {
					t.Errorf("%v with %q, want %q", u.Status, got, row.want)
				}
			} else {
				server.Close()
				<-d.Gone()
				if err := d.Err(); !strings.Contains(err.Error(), row.fault) {
					t.Errorf("%v, want one that says %q", err, row.fault)
				}
			}
			wantBreach(t, wire.Report().Breaches, row.rule)
			if ends := row.rule.Effect >= oracle.Dropped; ends != (row.fault != "") {
				t.Errorf("the driver's device is %v, but the client says %q", row.rule.Effect, row.fault)
			}
		})
	}
}

// contents returns what both packets of u hold, each at its own place.
func contents(u *usb.URB) string {
	first, second := u.Packets[0], u.Packets[1]
	return string(u.Buffer[:first.Actual]) + " " + string(u.Buffer[12:12+second.Actual])
}
