package server_test

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// isoSubmit encodes a SUBMIT for packets in a buffer of the given size, with its
// data if OUT.
func isoSubmit(seq uint32, endpoint uint8, size int, packets ...usb.IsoPacket) []byte {
	s := proto.Submit{
		Seq: seq, DevID: devID, In: endpoint&usb.DirIn != 0, Endpoint: uint32(endpoint & 0x0f),
		Length: int32(size), Packets: int32(len(packets)), StartFrame: 5, Interval: 8,
	}
	b := s.Append(nil)
	if !s.In {
		b = append(b, pattern(size)...)
	}
	return proto.AppendIsoPackets(b, packets)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// wantIsoResult reads a reply to SUBMIT 1 with its data and packets.
func (r *raw) wantIsoResult(status usb.Status, data []byte, want []usb.IsoPacket) proto.SubmitReply {
	r.t.Helper()
	reply := r.wantResult(1, status, data)
	b := make([]byte, int(reply.Packets)*proto.IsoPacketSize)
	if _, err := io.ReadFull(r, b); err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Equal(b, proto.AppendIsoPackets(nil, want)) {
		r.t.Errorf("packets % x, want %+v", b, want)
	}
	return reply
}

// TestIsochronousURBReachesThePort as the host sent it, and its result the host:
// data without gaps, then the packets.
func TestIsochronousURBReachesThePort(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		asked := []usb.IsoPacket{{Offset: 8, Length: 4, Actual: -1, Status: 99}, {Offset: 2, Length: 5}, {Offset: 12}}
		for _, endpoint := range []uint8{isoOut, isoIn} {
			r.send(isoSubmit(1, endpoint, 14, asked...))
			u := <-port.submitted
			want := slices.Clone(asked)
			for i := range want {
				want[i].Actual, want[i].Status = 0, usb.EXDEV
			}
			if u.Endpoint != endpoint || len(u.Buffer) != 14 || u.StartFrame != 5 || u.Interval != 8 || !slices.Equal(u.Packets, want) {
				t.Errorf("%+v, want packets %+v", u, want)
			}
			data := []byte(nil)
			if endpoint == isoIn {
				copy(u.Buffer, pattern(14))
				data = []byte{8, 9, 10, 2, 3}
			} else if !bytes.Equal(u.Buffer, pattern(14)) {
				t.Errorf("data % x", u.Buffer)
			}
			u.Packets[0].Actual, u.Packets[1].Actual = 3, 2
			u.Packets[0].Status, u.Packets[1].Status = usb.OK, usb.EOVERFLOW
			want[0].Actual, want[1].Actual = 3, 2
			want[0].Status, want[1].Status = usb.OK, usb.EOVERFLOW
			u.StartFrame = 77
			port.complete(u, 0, usb.OK)
			reply := r.wantIsoResult(usb.OK, data, want)
			if reply.Actual != 5 || reply.Errors != 2 || reply.StartFrame != 77 || reply.Packets != 3 {
				t.Errorf("%+v, want 5 bytes from frame 77, 3 packets with 2 errors", reply)
			}
			r.wantEcho(port, 2)
		}
	})
}

// TestLiesOfAPortAboutPacketsDoNotReachTheHost has a port that breaks its
// contract in the packets of a URB.
func TestLiesOfAPortAboutPacketsDoNotReachTheHost(t *testing.T) {
	tests := map[string]struct {
		lie  func(u *usb.URB)
		data []byte
		want usb.IsoPacket // the first of two
	}{
		"more than its length": {func(u *usb.URB) { u.Packets[0].Actual = 5 }, pattern(4), usb.IsoPacket{Length: 4, Actual: 4}},
		"negative length":      {func(u *usb.URB) { u.Packets[0].Actual = -1 }, nil, usb.IsoPacket{Length: 4}},
		"positive status":      {func(u *usb.URB) { u.Packets[0].Status = 7 }, nil, usb.IsoPacket{Length: 4, Status: usb.EPROTO}},
		"another place":        {func(u *usb.URB) { u.Packets[0].Offset, u.Packets[0].Actual = 2, 1 }, pattern(1), usb.IsoPacket{Length: 4, Actual: 1}},
		"another length": {func(u *usb.URB) {
			u.Packets[0].Length, u.Packets[0].Actual = 100, 100
		}, pattern(4), usb.IsoPacket{Length: 4, Actual: 4}},
		"no packets":  {func(u *usb.URB) { u.Packets = nil }, nil, usb.IsoPacket{Length: 4, Status: usb.EXDEV}},
		"other count": {func(u *usb.URB) { u.Packets = make([]usb.IsoPacket, 3) }, nil, usb.IsoPacket{Length: 4, Status: usb.EXDEV}},
		"a sum":       {func(u *usb.URB) { u.Actual = 1 << 30 }, nil, usb.IsoPacket{Length: 4}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
				second := usb.IsoPacket{Offset: 4, Length: 4, Status: test.want.Status}
				r.send(isoSubmit(1, isoIn, 8, usb.IsoPacket{Length: 4}, usb.IsoPacket{Offset: 4, Length: 4}))
				u := <-port.submitted
				port.take(u)
				copy(u.Buffer, pattern(8))
				if test.want.Status != usb.EXDEV {
					second.Status = usb.OK
					u.Packets[0].Status, u.Packets[1].Status = usb.OK, usb.OK
				}
				test.lie(u)
				u.Done(u)
				r.wantIsoResult(usb.OK, test.data, []usb.IsoPacket{test.want, second})
				r.wantEcho(port, 2)
			})
		})
	}
}

// TestUnlinkOfAnIsochronousURB: what had moved is not lost, and an UNLINK that
// comes early lets the packets be drained.
func TestUnlinkOfAnIsochronousURB(t *testing.T) {
	packets := []usb.IsoPacket{{Length: 4}, {Offset: 4, Length: 4}}
	for _, moved := range []int{0, 3} {
		withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
			port.cancel = func(u *usb.URB) {
				u.Packets[0].Actual, u.Packets[0].Status = moved, usb.OK
				port.complete(u, 0, usb.ECONNRESET)
			}
			r.send(isoSubmit(1, isoIn, 8, packets...), unlink(2, 1))
			if moved == 0 {
				r.wantUnlinked(2, usb.ECONNRESET)
			} else {
				r.wantIsoResult(usb.ECONNRESET, make([]byte, moved),
					[]usb.IsoPacket{{Length: 4, Actual: moved}, {Offset: 4, Length: 4, Status: usb.EXDEV}})
				r.wantUnlinked(2, usb.OK)
			}
			<-port.submitted
			r.send(unlink(4, 3), isoSubmit(3, isoOut, 8, packets...))
			r.wantUnlinked(4, usb.ECONNRESET)
			r.wantEcho(port, 5)
		})
	}
}

// TestIsochronousMessagesThatEndTheConnection: what their packets would make of
// the buffer cannot be meant.
func TestIsochronousMessagesThatEndTheConnection(t *testing.T) {
	tests := map[string][]byte{
		"packet beyond the buffer":       isoSubmit(1, isoIn, 8, usb.IsoPacket{Offset: 5, Length: 4}),
		"packet of 4 GiB":                isoSubmit(1, isoIn, 8, usb.IsoPacket{Length: -1}),
		"packets longer than the buffer": isoSubmit(1, isoOut, 8, usb.IsoPacket{Length: 8}, usb.IsoPacket{Length: 1}),
		"for an endpoint beyond 15": append(
			(&proto.Submit{DevID: devID, Endpoint: 16, In: true, Packets: 1}).Append(nil),
			proto.AppendIsoPackets(nil, []usb.IsoPacket{{Length: 1}})...),
	}
	for name, message := range tests {
		t.Run(name, func(t *testing.T) {
			addr, _ := serve(t, server.Options{}, newIsoDevice(t))
			r := importRaw(t, addr)
			r.send(message)
			r.wantDropped()
			importRaw(t, addr) // the device is free again
		})
	}
}

// TestPacketsCountAgainstTheLimits: a URB without data takes memory all the same.
func TestPacketsCountAgainstTheLimits(t *testing.T) {
	withScripted(t, server.Options{MaxPendingBytes: 256 << 10}, func(t *testing.T, r *raw, port *scripted) {
		var requests [][]byte
		for seq := range uint32(10) {
			requests = append(requests, isoSubmit(seq, isoIn, 0, make([]usb.IsoPacket, proto.MaxIsoPackets)...))
		}
		go r.Write(bytes.Join(requests, nil)) // it is not read to its end
		synctest.Wait()
		if n := port.count(); n < 2 || n > 4 { // 64 KiB each
			t.Errorf("%d URBs of 1024 packets reached the device, limit 256 KiB", n)
		}
	})
}

// TestIdlePacketsTakeLittleMemory lets many large URBs be pending at once, and
// looks at what is kept for the next.
func TestIdlePacketsTakeLittleMemory(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		const urbs = 400
		request := isoSubmit(0, isoIn, 0, make([]usb.IsoPacket, proto.MaxIsoPackets)...)
		go func() {
			for seq := range uint32(urbs) {
				request[4], request[5], request[6], request[7] = 0, 0, byte(seq>>8), byte(seq)
				_, _ = r.Write(request)
			}
		}()
		var pending []*usb.URB
		for range urbs {
			pending = append(pending, <-port.submitted)
		}
		busy := memory()
		go func() {
			for _, u := range pending {
				port.complete(u, 0, usb.OK)
			}
		}()
		size := proto.HeaderSize + proto.MaxIsoPackets*proto.IsoPacketSize
		if _, err := io.CopyN(io.Discard, r, urbs*int64(size)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		clear(pending)
		pending = nil
		if freed := busy - memory(); freed < urbs*64<<10-(8<<20) { // 64 KiB each, less answers kept
			t.Errorf("%d bytes freed of %d", freed, urbs*64<<10)
		}
		runtime.KeepAlive(port)
	})
}

// TestIsochronousSteadyStateAllocatesNothing counts the allocations of server,
// device and a host that reuses its messages.
func TestIsochronousSteadyStateAllocatesNothing(t *testing.T) {
	d := newIsoDevice(t)
	data := pattern(isoPacket)
	if err := d.Source(isoIn, func(room int) []byte { return data[:room] }); err != nil {
		t.Fatal(err)
	}
	addr, _ := serve(t, server.Options{}, d)
	r := importRaw(t, addr)
	choose := usb.Setup{RequestType: usb.RecipientInterface, Request: usb.SetInterface, Value: 1}
	r.send(submit(9, 0, choose, 0))
	r.wantResult(9, usb.OK, nil)
	packets, _ := evenLayout(32)
	requests := [][]byte{isoSubmit(1, isoIn, 32*isoPacket, packets...), isoSubmit(2, isoOut, 32*isoPacket, packets...)}
	reply := make([]byte, proto.HeaderSize+32*(isoPacket+proto.IsoPacketSize))
	sizes := []int{len(reply), len(reply) - 32*isoPacket}
	round := func() {
		for i, request := range requests {
			if _, err := r.Write(request); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, reply[:sizes[i]]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations for two URBs of 32 packets, want 0", n)
	}
}

// evenLayout returns n full packets, one behind the other.
func evenLayout(n int) (packets []usb.IsoPacket, size int) {
	for i := range n {
		packets = append(packets, usb.IsoPacket{Offset: i * isoPacket, Length: isoPacket})
	}
	return packets, n * isoPacket
}

// FuzzIsoSession sends an isochronous URB of any layout to a device whose source
// supplies anything. Either the layout is possible, and the answer is one that
// Linux's vhci driver takes, or the connection ends.
func FuzzIsoSession(f *testing.F) {
	good, size := evenLayout(3)
	f.Add(true, uint16(size), proto.AppendIsoPackets(nil, good), []byte{96, 0, 97})
	f.Add(false, uint16(size), proto.AppendIsoPackets(nil, good), []byte{})
	f.Add(true, uint16(4), proto.AppendIsoPackets(nil, []usb.IsoPacket{{Offset: 1, Length: 3}, {Offset: 3, Length: 2}}), []byte{3})
	f.Fuzz(func(t *testing.T, in bool, size uint16, descriptors, supply []byte) {
		packets := make([]usb.IsoPacket, min(len(descriptors)/proto.IsoPacketSize, proto.MaxIsoPackets))
		descriptors = descriptors[:len(packets)*proto.IsoPacketSize]
		fits := proto.ParseIsoPackets(descriptors, packets, int(size)) == nil
		endpoint := uint8(isoOut)
		if in {
			endpoint = isoIn
		}
		request := isoSubmit(1, endpoint, int(size), packets...)
		copy(request[len(request)-len(descriptors):], descriptors)
		answered, err := playIso(t, request, supply)
		if err != nil || len(packets) > 0 && answered != fits {
			t.Fatalf("answered: %v, %v; the layout fits: %v", answered, err, fits)
		}
	})
}

// playIso sends a request to a device and has a judge hear the answer, if there
// is one.
func playIso(t *testing.T, request, supply []byte) (answered bool, err error) {
	synctest.Test(t, func(t *testing.T) {
		d := newIsoDevice(t)
		data := pattern(256)
		_ = d.Source(isoIn, func(int) []byte {
			if len(supply) == 0 {
				return nil
			}
			defer func() { supply = supply[1:] }()
			return data[:supply[0]]
		})
		r := servePipes(t, server.Options{}, d).dial(t)
		defer r.Close()
		r.importDevice()
		r.configure()
		r.send(submit(9, 0, usb.Setup{RequestType: usb.RecipientInterface, Request: usb.SetInterface, Value: 1}, 0))
		r.wantResult(9, usb.OK, nil)
		judge := oracle.NewJudge()
		judge.Request(request)
		var writing sync.WaitGroup
		writing.Go(func() { _, _ = r.Write(request) })
		buffer := make([]byte, 1<<20)
		for n := 1; n > 0 && !judge.Answered() && err == nil; {
			n, _ = r.Read(buffer)
			_, err = judge.Replies(buffer[:n])
		}
		if breaches := judge.Breaches(); err == nil && len(breaches) > 0 {
			err = breaches[0]
		}
		answered = judge.Answered()
		r.Close()
		writing.Wait()
	})
	return answered, err
}
