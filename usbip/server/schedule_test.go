package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// TestAnyScheduleKeepsTheStrictClientContent runs random submissions and
// cancellations of a strict client against a device that sends and receives at
// random and may unplug itself. Every URB ends once, the client finds no fault,
// and no byte of the device is lost or repeated by a cancellation.
func TestAnyScheduleKeepsTheStrictClientContent(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := newDevice(t)
		addr, stop := start(r, d)
		defer stop()
		h, err := client.Import(context.Background(), addr, busID)
		if err != nil {
			r.Fatal(err)
		}
		defer h.Close()
		s := &schedule{host: h, ends: map[*usb.URB]int{}}
		s.submit(&usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}})
		s.idle.Wait()

		ctx, cancel := context.WithCancel(context.Background())
		var functions sync.WaitGroup
		defer functions.Wait()
		defer cancel()
		functions.Go(func() { sink(d)(ctx) })
		functions.Go(func() { counter(ctx, d) })

		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			s.step(r)
		}
		if rapid.Bool().Draw(r, "unplug") {
			d.Unplug()
		} else {
			s.cancelAll()
		}
		s.idle.Wait()
		s.check(r)
	})
}

// start serves d and returns a function that ends the server.
func start(r *rapid.T, d usb.Port) (addr string, stop func()) {
	listener, err := listen()
	if err != nil {
		r.Fatal(err)
	}
	s := server.New(server.Options{})
	if err := s.Export(busID, d); err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Serve(ctx, listener) }()
	return listener.Addr().String(), func() {
		cancel()
		if err := <-result; err != nil {
			r.Errorf("Serve: %v", err)
		}
	}
}

// counter sends the numbers 0, 1, 2, ... in transfers of various lengths.
func counter(ctx context.Context, d *usb.Device) {
	next := uint32(0)
	for ctx.Err() == nil {
		var p []byte
		for range next * 7 % 200 {
			p = binary.BigEndian.AppendUint32(p, next)
			next++
		}
		if len(p) == 0 {
			p = binary.BigEndian.AppendUint32(p, next)
			next++
		}
		if d.In(bulkIn).Write(ctx, p) != nil {
			return
		}
	}
}

// schedule is the host's side of a random run.
type schedule struct {
	host *client.Device
	idle sync.WaitGroup
	urbs []*usb.URB

	mu   sync.Mutex
	ends map[*usb.URB]int
	data []byte // from the device, in the order in which URBs ended
}

func (s *schedule) submit(u *usb.URB) {
	s.idle.Add(1)
	u.Done = func(u *usb.URB) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ends[u]++
		if u.Endpoint == bulkIn {
			s.data = append(s.data, u.Buffer[:u.Actual]...)
		}
		s.idle.Done()
	}
	s.urbs = append(s.urbs, u)
	s.host.Submit(u)
}

func (s *schedule) step(r *rapid.T) {
	switch rapid.IntRange(0, 5).Draw(r, "step") {
	case 0:
		s.submit(&usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 512*rapid.IntRange(1, 4).Draw(r, "room"))})
	case 1:
		s.submit(&usb.URB{Endpoint: bulkOut, Buffer: make([]byte, rapid.IntRange(0, 3000).Draw(r, "length"))})
	case 2:
		s.submit(&usb.URB{Endpoint: interruptIn, Buffer: make([]byte, 64)}) // stays pending
	case 3:
		setup := usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: 0x0200, Length: 255}
		s.submit(&usb.URB{Endpoint: 0x80, Setup: setup, Buffer: make([]byte, 255)})
	case 4:
		s.submit(&usb.URB{Endpoint: 0x8d, Buffer: make([]byte, 8)}) // does not exist
	case 5:
		s.host.Cancel(s.urbs[rapid.IntRange(0, len(s.urbs)-1).Draw(r, "victim")])
	}
}

func (s *schedule) cancelAll() {
	for _, u := range s.urbs {
		s.host.Cancel(u)
	}
}

func (s *schedule) check(r *rapid.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.urbs {
		if s.ends[u] != 1 {
			r.Fatalf("a URB of endpoint %02x ended %d times", u.Endpoint, s.ends[u])
		}
	}
	for i := 0; i+4 <= len(s.data); i += 4 {
		if got := binary.BigEndian.Uint32(s.data[i:]); got != uint32(i/4) {
			r.Fatalf("word %d of the device's data is %d: data was lost or repeated", i/4, got)
		}
	}
	select {
	case <-s.host.Gone():
		if err := s.host.Err(); !isDisconnect(err) {
			r.Fatalf("the client found fault: %v", err)
		}
	default:
	}
}

// vhci is a host that knows only what it may demand: the rules by which Linux's
// vhci driver keeps a connection, and what each UNLINK may be answered.
type vhci struct {
	submits map[uint32]uint8  // pending: endpoint address by sequence number
	lengths map[uint32]int    // their buffers
	packets map[uint32]int32  // their isochronous packets
	unlinks map[uint32]uint32 // pending: victim by sequence number
}

// reply takes one message of the server.
func (v *vhci) reply(r io.Reader) error {
	var h proto.Header
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return err
	}
	switch h.Command() {
	case proto.RetSubmit:
		reply, err := proto.ParseSubmitReply(&h)
		if err != nil {
			return err
		}
		endpoint, known := v.submits[reply.Seq]
		if !known {
			return fmt.Errorf("reply to SUBMIT %d, which is not pending", reply.Seq)
		}
		if int(reply.Actual) > v.lengths[reply.Seq] || reply.Packets != v.packets[reply.Seq] {
			return fmt.Errorf("%+v for a buffer of %d bytes, %d packets", reply, v.lengths[reply.Seq], v.packets[reply.Seq])
		}
		delete(v.submits, reply.Seq)
		return readResult(r, &reply, endpoint&usb.DirIn != 0)
	case proto.RetUnlink:
		reply, err := proto.ParseUnlinkReply(&h)
		if err != nil {
			return err
		}
		victim, known := v.unlinks[reply.Seq]
		_, isPending := v.submits[victim]
		if !known || isPending != (reply.Status == usb.ECONNRESET) {
			return fmt.Errorf("reply to UNLINK %d with %v, where victim %d pending is %v", reply.Seq, reply.Status, victim, isPending)
		}
		delete(v.unlinks, reply.Seq)
		delete(v.submits, victim)
		return nil
	}
	return fmt.Errorf("unknown command %d", h.Command())
}

// readResult reads what follows the header of a reply.
func readResult(r io.Reader, reply *proto.SubmitReply, in bool) error {
	if in {
		if _, err := io.CopyN(io.Discard, r, int64(reply.Actual)); err != nil {
			return err
		}
	}
	total := uint32(0)
	for range reply.Packets {
		var packet struct{ Offset, Length, Actual, Status uint32 }
		if err := binary.Read(r, binary.BigEndian, &packet); err != nil {
			return err
		}
		total += packet.Actual
	}
	if reply.Packets > 0 && total != uint32(reply.Actual) {
		return fmt.Errorf("%+v with packets of %d bytes", reply, total)
	}
	return nil
}

// TestAnyOrderOfSubmitAndUnlinkKeepsVHCIContent sends SUBMITs and UNLINKs in any
// order, each UNLINK also before its SUBMIT, against a busy device.
func TestAnyOrderOfSubmitAndUnlinkKeepsVHCIContent(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := newDevice(t)
		addr, stop := start(r, d)
		defer stop()
		host := importRaw(t, addr)
		defer host.Close()
		ctx, cancel := context.WithCancel(context.Background())
		var functions sync.WaitGroup
		defer functions.Wait()
		defer cancel()
		functions.Go(func() { sink(d)(ctx) })
		functions.Go(func() { counter(ctx, d) })

		v := &vhci{submits: map[uint32]uint8{}, lengths: map[uint32]int{}, packets: map[uint32]int32{}, unlinks: map[uint32]uint32{}}
		stream := v.draw(r)
		sent := make(chan error, 1)
		go func() {
			_, err := host.Write(stream)
			sent <- err
		}()
		for len(v.submits)+len(v.unlinks) > 0 {
			if err := v.reply(host); err != nil {
				r.Fatal(err)
			}
		}
		if err := <-sent; err != nil {
			r.Fatal(err)
		}
		host.wantAlive()
	})
}

// draw makes a stream of requests and notes what they demand. Every URB that
// would stay pending has an UNLINK somewhere.
func (v *vhci) draw(r *rapid.T) []byte {
	var messages [][]byte
	for seq := range uint32(rapid.IntRange(1, 30).Draw(r, "URBs")) {
		endpoint := rapid.SampledFrom([]uint8{bulkIn, bulkOut, interruptIn, 0x80, 0x0d}).Draw(r, "endpoint")
		length := rapid.IntRange(0, 2000).Draw(r, "length")
		message := submit(seq, endpoint, usb.Setup{RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1}, int32(length))
		if endpoint&usb.DirIn == 0 {
			message = append(message, make([]byte, length)...)
		}
		messages = append(messages, message)
		v.submits[seq], v.lengths[seq] = endpoint, length
		if endpoint == interruptIn || endpoint == bulkIn || rapid.Bool().Draw(r, "cancelled") {
			messages = append(messages, unlink(5000+seq, seq))
			v.unlinks[5000+seq] = seq
		}
	}
	return bytes.Join(rapid.Permutation(messages).Draw(r, "order"), nil)
}
