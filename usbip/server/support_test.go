package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	busID = "1-1"
	devID = 1<<16 | 1 // the first device exported is 1-1
)

// serve exports p as busID and returns the address. The server has ended, with
// all its sessions, before the test does.
func serve(t testing.TB, options server.Options, p usb.Port) (string, *server.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String(), serveOn(t, listener, options, p)
}

// servePipes is serve without a network.
func servePipes(t testing.TB, options server.Options, p usb.Port) *pipes {
	t.Helper()
	listener := newPipes()
	serveOn(t, listener, options, p)
	return listener
}

func serveOn(t testing.TB, listener net.Listener, options server.Options, p usb.Port) *server.Server {
	t.Helper()
	s := server.New(options)
	if err := s.Export(busID, p); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// host is a client.Device with calls that wait. It has a configured device.
type host struct {
	*client.Device
	t testing.TB
}

func attach(t testing.TB, addr string) *host {
	t.Helper()
	d, err := client.Import(context.Background(), addr, busID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	h := &host{d, t}
	h.control(usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil)
	return h
}

// start submits a URB and returns it with a channel that is closed when it ends.
func (h *host) start(u *usb.URB) (*usb.URB, <-chan struct{}) {
	return u, usbtest.Start(h, u)
}

func (h *host) do(u *usb.URB) *usb.URB { return usbtest.Do(h, u) }

func (h *host) control(s usb.Setup, data []byte) []byte {
	h.t.Helper()
	u := &usb.URB{Endpoint: s.RequestType & usb.DirIn, Setup: s, Buffer: data}
	if s.In() {
		u.Buffer = make([]byte, s.Length)
	}
	if h.do(u); u.Status != usb.OK {
		h.t.Fatalf("%v: %v", s, u.Status)
	}
	return u.Buffer[:u.Actual]
}

// raw is a connection on which a test says exactly what it wants.
type raw struct {
	net.Conn
	t testing.TB
}

func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &raw{conn, t}
}

// importRaw imports a usb.Device and configures it, without a client.
func importRaw(t testing.TB, addr string) *raw {
	t.Helper()
	r := dialRaw(t, addr)
	r.importDevice()
	r.configure()
	return r
}

func (r *raw) configure() {
	r.t.Helper()
	r.send(submit(1<<30, 0, usb.Setup{Request: usb.SetConfiguration, Value: 1}, 0))
	r.wantResult(1<<30, usb.OK, nil)
}

func (r *raw) importDevice() proto.Device { return r.importAs(busID) }

func (r *raw) importAs(busID string) proto.Device {
	r.t.Helper()
	r.send(proto.AppendImport(nil, busID))
	if op := r.op(); op != (proto.Op{Code: proto.OpReplyImport}) {
		r.t.Fatalf("import: %+v", op)
	}
	d, err := proto.ReadDevice(r, false)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func (r *raw) send(messages ...[]byte) {
	r.t.Helper()
	if _, err := r.Write(bytes.Join(messages, nil)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) op() proto.Op {
	r.t.Helper()
	op, err := proto.ReadOp(r)
	if err != nil {
		r.t.Fatal(err)
	}
	return op
}

func (r *raw) header() *proto.Header {
	r.t.Helper()
	h := new(proto.Header)
	if _, err := io.ReadFull(r, h[:]); err != nil {
		r.t.Fatalf("reading a reply: %v", err)
	}
	return h
}

// wantResult reads the reply to a SUBMIT and, if data is not nil, its payload.
func (r *raw) wantResult(seq uint32, status usb.Status, data []byte) proto.SubmitReply {
	r.t.Helper()
	h := r.header()
	reply, err := proto.ParseSubmitReply(h)
	if err != nil {
		r.t.Fatal(err)
	}
	if reply.Seq != seq || reply.Status != status {
		r.t.Fatalf("reply to SUBMIT %d with %v, want %d with %v", reply.Seq, reply.Status, seq, status)
	}
	if data != nil {
		got := make([]byte, reply.Actual)
		if _, err := io.ReadFull(r, got); err != nil {
			r.t.Fatal(err)
		}
		if !bytes.Equal(got, data) {
			r.t.Fatalf("reply to SUBMIT %d with data % x, want % x", seq, got, data)
		}
	}
	return reply
}

// wantPackets reads the packets of a reply, in which nothing moved.
func (r *raw) wantPackets(asked []usb.IsoPacket, status usb.Status) {
	r.t.Helper()
	b := make([]byte, len(asked)*proto.IsoPacketSize)
	if _, err := io.ReadFull(r, b); err != nil {
		r.t.Fatal(err)
	}
	got := slices.Clone(asked)
	if err := proto.ParseIsoResults(b, got, 0, 0); err != nil {
		r.t.Fatal(err)
	}
	for _, p := range got {
		if p.Status != status {
			r.t.Errorf("packet %+v, want %v", p, status)
		}
	}
}

func (r *raw) wantUnlinked(seq uint32, status usb.Status) {
	r.t.Helper()
	reply, err := proto.ParseUnlinkReply(r.header())
	if err != nil {
		r.t.Fatal(err)
	}
	if reply.Seq != seq || reply.Status != status {
		r.t.Fatalf("reply to UNLINK %d with %v, want %d with %v", reply.Seq, reply.Status, seq, status)
	}
}

// wantAlive shows that the byte stream is still in step: a control transfer works
// and its reply comes next.
func (r *raw) wantAlive() {
	r.t.Helper()
	r.send(submit(0xa11e, usb.DirIn, usb.Setup{RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1}, 1))
	r.wantResult(0xa11e, usb.OK, []byte{1})
}

// wantDropped shows that the server closes the connection without another word.
func (r *raw) wantDropped() {
	r.t.Helper()
	rest, err := io.ReadAll(r)
	if len(rest) != 0 {
		r.t.Fatalf("the server sent % x, want nothing but the end", rest)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		r.t.Fatal("the server keeps the connection")
	}
}

// submit encodes a SUBMIT header.
func submit(seq uint32, endpoint uint8, setup usb.Setup, length int32) []byte {
	s := proto.Submit{
		Seq: seq, DevID: devID, In: endpoint&usb.DirIn != 0, Endpoint: uint32(endpoint & 0x0f),
		Setup: setup, Length: length,
	}
	return s.Append(nil)
}

func unlink(seq, victim uint32) []byte {
	u := proto.Unlink{Seq: seq, DevID: devID, Victim: victim}
	return u.Append(nil)
}

// echo reads transfers and sends each back, until ctx ends.
func echo(ctx context.Context, d *usb.Device) {
	buffer := make([]byte, 1<<20)
	for ctx.Err() == nil {
		n, err := d.Out(usbtest.BulkOut).Read(ctx, buffer)
		if err != nil {
			continue
		}
		for {
			err := d.In(usbtest.BulkIn).Write(ctx, buffer[:n])
			if err == nil || ctx.Err() != nil || errors.Is(err, usb.ErrReset) {
				break
			}
		}
	}
}

// sink takes transfers as fast as the host sends them.
func sink(d *usb.Device) func(context.Context) {
	return func(ctx context.Context) {
		p := make([]byte, 16<<10)
		for ctx.Err() == nil {
			_, _ = d.Out(usbtest.BulkOut).Read(ctx, p)
		}
	}
}

// source sends transfers as fast as the host takes them. They have 64 MiB, so
// that URBs are full but for one in thousands.
func source(d *usb.Device) func(context.Context) {
	transfer := make([]byte, 64<<20)
	return func(ctx context.Context) {
		for ctx.Err() == nil {
			_ = d.In(usbtest.BulkIn).Write(ctx, transfer)
		}
	}
}
