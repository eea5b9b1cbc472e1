package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"testing"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// edges are the values that each field of a reply is given.
var edges = []uint32{
	0, 1, 2, 3, 4, 5, 15, 16, 20, 21, 0xff, proto.MaxIsoPackets + 1, proto.MaxTransfer, proto.MaxTransfer + 1,
	1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 104, 1<<32 - 2, 1<<32 - 1,
}

// TestEveryFieldOfAReplyAtItsEdges gives every field of every reply each value at
// an edge. The client ends the connection where Linux's driver would drop the
// device or be harmed, and nowhere else.
func TestEveryFieldOfAReplyAtItsEdges(t *testing.T) {
	packets := slices.Clone(asked)
	packets[0].Actual, packets[1].Actual = 3, 5
	replies := map[string]func(n numbers, iso uint32) []byte{
		"IN": func(n numbers, _ uint32) []byte {
			return append((&proto.SubmitReply{Seq: n.in, Actual: 4}).Append(nil), "data"...)
		},
		"OUT": func(n numbers, _ uint32) []byte { return (&proto.SubmitReply{Seq: n.out, Actual: 4}).Append(nil) },
		"isochronous": func(_ numbers, iso uint32) []byte {
			b := (&proto.SubmitReply{Seq: iso, Actual: 8, Packets: 2}).Append(nil)
			return proto.AppendIsoPackets(append(b, "onethree"...), packets)
		},
		"UNLINK": func(n numbers, _ uint32) []byte {
			return (&proto.UnlinkReply{Seq: n.unlink, Status: usb.ECONNRESET}).Append(nil)
		},
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			size := len(reply(numbers{}, 0)) &^ 3
			for at := 0; at < size; at += 4 {
				for _, v := range edges {
					tryReply(t, func(n numbers, iso uint32) []byte {
						b := reply(n, iso)
						binary.BigEndian.PutUint32(b[at:], v)
						return b
					}, at, v)
				}
			}
		})
	}
}

// tryReply sends a reply and the end to a client with a URB of every kind.
func tryReply(t *testing.T, reply func(n numbers, iso uint32) []byte, at int, v uint32) {
	t.Helper()
	d, server, wire := judged(t)
	urb, out := in(4), &usb.URB{Endpoint: 0x01, Buffer: []byte("data")}
	iso := &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 20), Packets: slices.Clone(asked)}
	ends := []<-chan struct{}{usbtest.Start(d, urb), usbtest.Start(d, out), usbtest.Start(d, iso)}
	n := numbers{in: server.submit().Seq, out: server.submit().Seq}
	server.read(4)
	isoSeq := server.submit().Seq
	server.read(2 * proto.IsoPacketSize)
	d.Cancel(urb)
	n.unlink = server.unlink().Seq
	_, _ = server.Write(reply(n, isoSeq)) // a client that has gone takes a part
	server.Close()
	<-d.Gone()
	for _, end := range ends {
		<-end
	}
	for _, u := range []*usb.URB{urb, out, iso} {
		if u.Actual < 0 || u.Actual > len(u.Buffer) || u.Status > 0 {
			t.Errorf("word %d %#x: a URB ends with %v and %d bytes of %d", at/4, v, u.Status, u.Actual, len(u.Buffer))
		}
	}
	fault := wire.Report().Fault
	drops := fault != nil && fault.Rule != oracle.BrokenOff
	if ended := errors.Is(d.Err(), proto.ErrMalformed); ended != drops {
		t.Errorf("word %d %#x: the driver: %v; the client: %v", at/4, v, fault, d.Err())
	}
}

// TestEveryFieldOfAHandshakeReplyAtItsEdges: an import succeeds or tells an error
// that names the device; a list is one or an error. Nothing hangs.
func TestEveryFieldOfAHandshakeReplyAtItsEdges(t *testing.T) {
	imported := remote.Append(proto.Op{Code: proto.OpReplyImport}.Append(nil))
	listed := proto.AppendDevices(nil, []proto.Device{remote})
	values := []uint16{0, 1, 5, 6, 7, 0x0110, 0x0111, 0x7fff, 0x8003, 0xffff}
	for at := 0; at < len(imported); at += 2 {
		for _, v := range values {
			b := bytes.Clone(imported)
			binary.BigEndian.PutUint16(b[at:], v)
			d, err := client.ImportConn(t.Context(), replying(t, b), busID)
			if (d == nil) == (err == nil) {
				t.Fatalf("byte %d %#x: %v, %v", at, v, d, err)
			}
			if err == nil {
				d.Close()
			}
		}
	}
	for at := 0; at < len(listed); at += 2 {
		for _, v := range values {
			b := bytes.Clone(listed)
			binary.BigEndian.PutUint16(b[at:], v)
			list, err := client.ListConn(context.Background(), replying(t, b))
			if err == nil && len(list) > 1 {
				t.Fatalf("byte %d %#x: %d devices", at, v, len(list))
			}
		}
	}
}

// replying returns a connection to a server that takes a request and says b.
func replying(t *testing.T, b []byte) net.Conn {
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	go func() {
		defer far.Close()
		_, _ = far.Read(make([]byte, 64))
		_, _ = far.Write(b)
	}()
	return near
}

// TestRepliesMayComeOneByteAtATime has the import and a session.
func TestRepliesMayComeOneByteAtATime(t *testing.T) {
	near, far := net.Pipe()
	server := &fake{far, t}
	go func() {
		server.read(proto.OpSize + proto.BusIDSize)
		server.send(remote.Append(proto.Op{Code: proto.OpReplyImport}.Append(nil)))
	}()
	d, err := client.ImportConn(t.Context(), slow{near}, busID)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	defer d.Close()
	for range 3 {
		stillThere(t, d, server)
	}
}

// slow is a connection of which one byte can be read at a time.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) { return s.Conn.Read(p[:min(len(p), 1)]) }
