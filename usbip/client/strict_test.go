package client_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// numbers are the sequence numbers of what a client has sent: an IN URB with
// room for 4 bytes, which it has cancelled, and an OUT URB of 4 bytes.
type numbers struct{ in, out, unlink uint32 }

// strictness has one row for each rule of Linux's vhci driver, and for what it
// does not mind. The driver's part is played by oracle.Judge.
var strictness = []struct {
	name  string
	rule  oracle.Rule // that the server breaks; none = the driver is content
	fault string      // what the client says; "" = it carries on
	send  func(f *fake, n numbers)
	in    usb.Status // how the IN URB ends if the client carries on
}{
	{
		name: "unknown command", rule: oracle.UnknownCommand, fault: "unknown command 9",
		send: func(f *fake, _ numbers) { f.send(append([]byte{0, 0, 0, 9}, make([]byte, 44)...)) },
	},
	{
		name: "request in place of a reply", rule: oracle.UnknownCommand, fault: "unknown command 1",
		send: func(f *fake, n numbers) { f.send((&proto.Submit{Seq: n.in}).Append(nil)) },
	},
	{
		name: "reply to an unknown number", rule: oracle.NotPending, fault: "is not pending",
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.in + 100}, "") },
	},
	{
		name: "second reply", rule: oracle.NotPending, fault: "is not pending",
		send: func(f *fake, n numbers) {
			f.reply(proto.SubmitReply{Seq: n.out}, "")
			f.reply(proto.SubmitReply{Seq: n.out}, "")
		},
	},
	{
		name: "reply to a cancelled URB", rule: oracle.NotPending, fault: "is not pending",
		send: func(f *fake, n numbers) {
			f.unlinked(n.unlink, usb.ECONNRESET)
			f.reply(proto.SubmitReply{Seq: n.in}, "")
		},
	},
	{
		name: "reply after an UNLINK that claimed success", rule: oracle.NotPending, fault: "is not pending",
		send: func(f *fake, n numbers) {
			f.unlinked(n.unlink, usb.OK)
			f.reply(proto.SubmitReply{Seq: n.in}, "")
		},
	},
	{
		name: "reply to an UNLINK as if it were a SUBMIT", rule: oracle.NotPending, fault: "is not pending",
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.unlink}, "") },
	},
	{
		name: "more data than asked for", rule: oracle.TooLong, fault: "with 5 bytes, asked for 4",
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.in, Actual: 5}, "12345") },
	},
	{
		name: "the largest length", rule: oracle.TooLong, fault: "with 2147483647 bytes, asked for 4",
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.in, Actual: 1<<31 - 1}, "") },
	},
	{
		name: "negative length", rule: oracle.NegativeLength, fault: "with -1 bytes",
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.in, Actual: -1}, "") },
	},
	{
		name: "negative length of an OUT URB", rule: oracle.NegativeLength, fault: "with -2147483648 bytes",
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.out, Actual: -1 << 31}, "") },
	},
	{
		name: "data in the reply to an OUT URB", rule: oracle.UnknownCommand, fault: "unknown command",
		send: func(f *fake, n numbers) {
			f.reply(proto.SubmitReply{Seq: n.out, Actual: 4}, strings.Repeat("data", 12))
		},
	},
	{
		name: "end within a header", rule: oracle.BrokenOff, fault: "unexpected EOF",
		send: func(f *fake, _ numbers) { f.send(make([]byte, 10)); f.Close() },
	},
	{
		name: "end within the data", rule: oracle.BrokenOff, fault: "unexpected EOF",
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.in, Actual: 4}, "da"); f.Close() },
	},

	{
		name: "reply to no UNLINK", rule: oracle.UnknownUnlink, in: usb.ECONNRESET,
		send: func(f *fake, n numbers) { f.unlinked(n.unlink+100, usb.OK); f.unlinked(n.unlink, usb.ECONNRESET) },
	},
	{
		name: "second reply to an UNLINK", rule: oracle.UnknownUnlink, in: usb.ECONNRESET,
		send: func(f *fake, n numbers) { f.unlinked(n.unlink, usb.ECONNRESET); f.unlinked(n.unlink, usb.OK) },
	},
	{
		name: "reply to an UNLINK with the number of the victim", rule: oracle.UnknownUnlink,
		send: func(f *fake, n numbers) {
			f.unlinked(n.in, usb.ECONNRESET)
			f.reply(proto.SubmitReply{Seq: n.in}, "")
		},
	},
	{ // as Linux's stub driver says when the URB finished meanwhile
		name: "UNLINK succeeds, but its victim has no reply", rule: oracle.EarlySuccess, in: usb.ECONNRESET,
		send: func(f *fake, n numbers) { f.unlinked(n.unlink, usb.OK) },
	},
	{
		name: "UNLINK cancels what had its reply", rule: oracle.Contradiction,
		send: func(f *fake, n numbers) {
			f.reply(proto.SubmitReply{Seq: n.in}, "")
			f.unlinked(n.unlink, usb.ECONNRESET)
		},
	},
	{
		name: "UNLINK with another status", rule: oracle.BadUnlinkStatus, in: usb.ENOENT,
		send: func(f *fake, n numbers) { f.unlinked(n.unlink, usb.ENOENT) },
	},
	{
		name: "UNLINK with a positive status", rule: oracle.PositiveStatus, in: usb.EPROTO,
		send: func(f *fake, n numbers) { f.unlinked(n.unlink, 1) },
	},
	{
		name: "positive status", rule: oracle.PositiveStatus, in: usb.EPROTO,
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.in, Status: 1}, "") },
	},
	{
		name: "more taken than sent", rule: oracle.OutTooLong, in: usb.OK,
		send: func(f *fake, n numbers) {
			f.reply(proto.SubmitReply{Seq: n.out, Actual: 1<<31 - 1}, "")
			f.reply(proto.SubmitReply{Seq: n.in}, "")
		},
	},
	{
		name: "packets of a URB that is not isochronous", rule: oracle.NotIsochronous, in: usb.OK,
		send: func(f *fake, n numbers) { f.reply(proto.SubmitReply{Seq: n.in, Packets: 1000, Errors: 3}, "") },
	},
	{
		name: "device, direction and endpoint in a reply", rule: oracle.HeaderNotZero, in: usb.OK,
		send: func(f *fake, n numbers) {
			b := (&proto.SubmitReply{Seq: n.in}).Append(nil)
			b[9], b[11], b[15], b[19] = 1, 2, 1, 1
			f.send(b)
		},
	},

	{name: "-1 packets, as in the document", in: usb.OK, send: func(f *fake, n numbers) {
		f.reply(proto.SubmitReply{Seq: n.in, Packets: -1}, "")
	}},
	{name: "unknown status", in: -9999, send: func(f *fake, n numbers) {
		f.reply(proto.SubmitReply{Seq: n.in, Status: -9999}, "")
	}},
	{name: "start frame of a URB that is not isochronous", in: usb.OK, send: func(f *fake, n numbers) {
		f.reply(proto.SubmitReply{Seq: n.in, StartFrame: -1}, "")
	}},
	{name: "replies in another order", in: usb.ECONNRESET, send: func(f *fake, n numbers) {
		f.unlinked(n.unlink, usb.ECONNRESET)
		f.reply(proto.SubmitReply{Seq: n.out, Actual: 4}, "")
	}},
}

// TestClientEndsWhereVHCIDoes plays each row to a client. The connection ends
// exactly where the driver would drop the device or be harmed.
func TestClientEndsWhereVHCIDoes(t *testing.T) {
	for _, row := range strictness {
		t.Run(row.name, func(t *testing.T) {
			d, server, wire := judged(t)
			urb, out := in(4), &usb.URB{Endpoint: 0x01, Buffer: []byte("data")}
			urbDone, outDone := usbtest.Start(d, urb), usbtest.Start(d, out)
			n := numbers{in: server.submit().Seq, out: server.submit().Seq}
			server.read(4)
			d.Cancel(urb)
			n.unlink = server.unlink().Seq
			row.send(server, n)
			if row.fault == "" {
				<-urbDone
				stillThere(t, d, server)
				if urb.Status != row.in || urb.Actual != 0 || out.Actual > 4 {
					t.Errorf("IN URB: %v, %d bytes; OUT URB: %d bytes; want %v", urb.Status, urb.Actual, out.Actual, row.in)
				}
			} else {
				<-d.Gone()
				<-urbDone
				<-outDone
				if err := d.Err(); err == nil || !strings.Contains(err.Error(), row.fault) {
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

func wantBreach(t *testing.T, got []*oracle.Breach, want oracle.Rule) {
	t.Helper()
	switch {
	case want == oracle.Rule{} && len(got) != 0:
		t.Errorf("the driver found %v", got[0])
	case want != oracle.Rule{} && (len(got) == 0 || got[len(got)-1].Rule != want):
		t.Errorf("the driver found %v, want %q", got, want.Name)
	}
}

// stillThere shows that the stream is in step.
func stillThere(t *testing.T, d *client.Device, server *fake) {
	t.Helper()
	u := in(4)
	done := usbtest.Start(d, u)
	server.reply(proto.SubmitReply{Seq: server.submit().Seq, Actual: 4}, "echo")
	<-done
	if u.Status != usb.OK || string(u.Buffer) != "echo" || d.Err() != nil {
		t.Errorf("afterwards: %v, %q, %v", u.Status, u.Buffer, d.Err())
	}
}

// TestEveryRuleHasARow compares both tables with the rules.
func TestEveryRuleHasARow(t *testing.T) {
	rows := map[oracle.Rule]bool{oracle.WithoutAnswer: true} // not a message
	for _, row := range strictness {
		rows[row.rule] = true
	}
	for _, row := range isoStrictness {
		rows[row.rule] = true
	}
	for _, r := range oracle.Rules() {
		if !rows[r] {
			t.Errorf("no row for %q", r.Name)
		}
	}
}

// FuzzServer lets a server say anything to a client with URBs of every kind
// pending and one of them cancelled. The client ends the connection exactly where
// Linux's driver would.
func FuzzServer(f *testing.F) {
	f.Add((&proto.SubmitReply{Seq: 1, Actual: 3}).Append(nil), []byte("abc"))
	f.Add((&proto.SubmitReply{Seq: 2, Actual: 4}).Append(nil), (&proto.SubmitReply{Seq: 2}).Append(nil))
	f.Add((&proto.SubmitReply{Seq: 2, Actual: 5, Status: 1}).Append(nil), (&proto.UnlinkReply{Seq: 9}).Append(nil))
	f.Add((&proto.SubmitReply{Seq: 4, Actual: 3, Packets: 2}).Append(nil), proto.AppendIsoPackets([]byte("one"), []usb.IsoPacket{{Length: 8, Actual: 3}, asked[1]}))
	f.Add((&proto.UnlinkReply{Seq: 5, Status: usb.ECONNRESET}).Append(nil), (&proto.SubmitReply{Seq: 3}).Append(nil))
	f.Add((&proto.UnlinkReply{Seq: 5}).Append(nil), (&proto.SubmitReply{Seq: 1, Packets: 7, Actual: 1}).Append(nil))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d, server, wire := judged(t)
		iso := &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 20), Packets: slices.Clone(asked)}
		urbs := []*usb.URB{in(4), {Endpoint: 0x01, Buffer: []byte("data")}, in(600), iso}
		ends := make([]int, len(urbs))
		for i, u := range urbs {
			u.Done = func(u *usb.URB) {
				ends[i]++
				if u.Actual > len(u.Buffer) || u.Status > 0 {
					t.Errorf("URB %d: %v, %d bytes", i, u.Status, u.Actual)
				}
			}
			d.Submit(u)
		}
		d.Cancel(urbs[2])
		server.read(5*proto.HeaderSize + 4 + 2*proto.IsoPacketSize)
		_, _ = server.Write(append(first, second...))
		server.Close()
		<-d.Gone()
		for i, n := range ends {
			if n != 1 {
				t.Errorf("URB %d ended %d times", i, n)
			}
		}
		ended := errors.Is(d.Err(), proto.ErrMalformed)
		if drop := wire.Report().Fault; drop != nil && drop.Rule != oracle.BrokenOff != ended {
			t.Errorf("the driver: %v; the client: %v", drop, d.Err())
		}
	})
}
