package server_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// FuzzSession feeds a whole connection with arbitrary bytes, from the handshake
// on. Whatever they are, the server answers nothing that a host may not expect,
// ends the connection and frees the device.
func FuzzSession(f *testing.F) {
	handshake := proto.AppendImport(nil, busID)
	configure := submit(1, 0, usb.Setup{Request: usb.SetConfiguration, Value: 1}, 0)
	f.Add(proto.Op{Code: proto.OpRequestDevices}.Append(nil))
	f.Add(bytes.Join([][]byte{handshake, configure, submit(2, usbtest.BulkIn, usb.Setup{}, 64), unlink(3, 2)}, nil))
	f.Add(bytes.Join([][]byte{handshake, configure, unlink(3, 2), submit(2, usbtest.BulkOut, usb.Setup{}, 4), []byte("data")}, nil))
	f.Add(bytes.Join([][]byte{handshake, submit(2, 0x05, usb.Setup{}, 4), []byte("data"), submit(3, usbtest.BulkIn, usb.Setup{}, -1)}, nil))
	f.Fuzz(func(t *testing.T, input []byte) {
		d := usbtest.NewDevice(t)
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
	judge := oracle.NewJudge()
	if ambiguous := expect(judge, input[proto.OpSize+proto.BusIDSize:]); ambiguous {
		return
	}
	if _, err := judge.Replies(answers[proto.OpSize+proto.DeviceSize:]); err != nil {
		t.Fatal(err)
	}
	if breaches := judge.Breaches(); len(breaches) > 0 {
		t.Fatal(breaches[0])
	}
}

// expect notes what a stream of requests demands, as far as it is well formed.
// It reports whether a sequence number is used twice, which makes the answers
// ambiguous.
func expect(judge *oracle.Judge, stream []byte) (ambiguous bool) {
	used := map[uint32]bool{}
	for len(stream) >= proto.HeaderSize {
		h := (*proto.Header)(stream)
		if used[h.Seq()] {
			return true
		}
		used[h.Seq()] = true
		size := proto.HeaderSize
		s, err := proto.ParseSubmit(h)
		if err == nil {
			size += s.Payload()
		} else if h.Command() != proto.CmdUnlink {
			return false
		}
		if size > len(stream) {
			return false
		}
		judge.Request(stream[:size])
		stream = stream[size:]
	}
	return false
}
