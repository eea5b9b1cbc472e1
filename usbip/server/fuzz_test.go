package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func isDisconnect(err error) bool { return errors.Is(err, client.ErrDisconnected) }

// FuzzSession feeds a whole connection with arbitrary bytes, from the handshake
// on. Whatever they are, the server answers nothing that a host may not expect,
// ends the connection and frees the device.
func FuzzSession(f *testing.F) {
	handshake := proto.AppendImport(nil, busID)
	configure := submit(1, 0, usb.Setup{Request: usb.SetConfiguration, Value: 1}, 0)
	f.Add(proto.Op{Code: proto.OpRequestDevices}.Append(nil))
	f.Add(bytes.Join([][]byte{handshake, configure, submit(2, bulkIn, usb.Setup{}, 64), unlink(3, 2)}, nil))
	f.Add(bytes.Join([][]byte{handshake, configure, unlink(3, 2), submit(2, bulkOut, usb.Setup{}, 4), []byte("data")}, nil))
	f.Add(bytes.Join([][]byte{handshake, submit(2, 0x05, usb.Setup{}, 4), []byte("data"), submit(3, bulkIn, usb.Setup{}, -1)}, nil))
	f.Fuzz(func(t *testing.T, input []byte) {
		d := newDevice(t)
		s := server.New(server.Options{MaxPending: 16, MaxPendingBytes: 1 << 20, StallTimeout: time.Millisecond})
		if err := s.Export(busID, d); err != nil {
			t.Fatal(err)
		}
		listener := newPipes()
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = s.Serve(ctx, listener) })
		running.Go(func() { sink(d)(ctx) })

		conn := listener.dial(t)
		answers := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(conn)
			answers <- b
		}()
		_, _ = conn.Write(input)
		cancel()
		checkAnswers(t, input, <-answers)
		running.Wait()
		conn.Close()
		if _, err := d.Connect(); err != nil {
			t.Fatalf("the device is not free: %v", err)
		}
	})
}

// checkAnswers compares what the server said with what it was asked.
func checkAnswers(t *testing.T, input, answers []byte) {
	imported := bytes.HasPrefix(input, proto.AppendImport(nil, busID))
	if !imported || len(answers) < proto.OpSize+proto.DeviceSize {
		return
	}
	requests := bytes.NewReader(input[proto.OpSize+proto.BusIDSize:])
	v := &vhci{submits: map[uint32]uint8{}, lengths: map[uint32]int{}, packets: map[uint32]int32{}, unlinks: map[uint32]uint32{}}
	ambiguous := v.expect(requests)
	replies := bytes.NewReader(answers[proto.OpSize+proto.DeviceSize:])
	for !ambiguous && replies.Len() > 0 {
		err := v.reply(replies)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return // cut off by the end of the connection
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// expect notes what a stream of requests demands, as far as it is well formed.
// It reports whether a sequence number is used twice, which makes the answers
// ambiguous.
func (v *vhci) expect(r io.Reader) (ambiguous bool) {
	var h proto.Header
	used := map[uint32]bool{}
	for {
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return false
		}
		if used[h.Seq()] {
			return true
		}
		used[h.Seq()] = true
		if u, err := proto.ParseUnlink(&h); err == nil {
			v.unlinks[u.Seq] = u.Victim
			continue
		}
		s, err := proto.ParseSubmit(&h)
		if err != nil {
			return false
		}
		endpoint := uint8(0)
		if s.In {
			endpoint = usb.DirIn
		}
		v.submits[s.Seq], v.lengths[s.Seq] = endpoint, int(s.Length)
		if s.Iso() {
			v.packets[s.Seq] = s.Packets
		}
		if _, err := io.CopyN(io.Discard, r, int64(s.Payload())); err != nil {
			return false
		}
	}
}
