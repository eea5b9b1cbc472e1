package client_test

import (
	"context"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	busID  = "1-1"
	bulkIn = 0x81
)

var remote = proto.Device{
	Path: "/test", BusID: busID, Bus: 1, Number: 2,
	Identity: usb.Identity{Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 1, Configurations: 1},
}

// fake is the server's end of a connection, on which the test says everything.
type fake struct {
	net.Conn
	t testing.TB
}

// imported returns an imported device and the server's end of its connection.
func imported(t testing.TB) (*client.Device, *fake) {
	t.Helper()
	d, f, _ := judged(t)
	return d, f
}

// judged is imported with a judge of what the server says.
func judged(t testing.TB) (*client.Device, *fake, *oracle.Wire) {
	t.Helper()
	near, far := net.Pipe()
	wire := oracle.NewWire(near)
	d, f := importedOver(t, wire, far)
	return d, f, wire
}

// importedOver imports a device over near, whose other end is far.
func importedOver(t testing.TB, near, far net.Conn) (*client.Device, *fake) {
	t.Helper()
	server := &fake{far, t}
	go func() {
		server.read(proto.OpSize + proto.BusIDSize)
		server.send(remote.Append(proto.Op{Code: proto.OpReplyImport}.Append(nil)))
	}()
	d, err := client.ImportConn(context.Background(), near, busID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		far.Close()
		d.Close()
	})
	return d, server
}

func (f *fake) read(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(f, b); err != nil {
		f.t.Errorf("the client sent too little: %v", err)
	}
	return b
}

func (f *fake) send(b []byte) {
	if _, err := f.Write(b); err != nil {
		f.t.Errorf("the client does not read: %v", err)
	}
}

// submit reads a SUBMIT.
func (f *fake) submit() proto.Submit {
	f.t.Helper()
	s, err := proto.ParseSubmit((*proto.Header)(f.read(proto.HeaderSize)))
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// unlink reads an UNLINK.
func (f *fake) unlink() proto.Unlink {
	f.t.Helper()
	u, err := proto.ParseUnlink((*proto.Header)(f.read(proto.HeaderSize)))
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

func (f *fake) reply(r proto.SubmitReply, data string) { f.send(append(r.Append(nil), data...)) }

func (f *fake) unlinked(seq uint32, status usb.Status) {
	r := proto.UnlinkReply{Seq: seq, Status: status}
	f.send(r.Append(nil))
}

func in(room int) *usb.URB { return &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, room)} }
