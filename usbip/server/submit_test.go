package server_test

import (
	"bytes"
	"testing"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestReplyToOutHasNoPayload(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		r.send(submit(1, usbtest.BulkOut, usb.Setup{}, 4), []byte("data"))
		u := <-port.submitted
		if !bytes.Equal(u.Buffer, []byte("data")) {
			t.Fatalf("the device got %q", u.Buffer)
		}
		port.complete(u, 4, usb.OK)
		if reply := r.wantResult(1, usb.OK, nil); reply.Actual != 4 {
			t.Errorf("actual length %d, want 4", reply.Actual)
		}
		r.wantEcho(port, 2)
	})
}

// TestLiesOfAPortDoNotReachTheHost has a port that breaks its contract.
func TestLiesOfAPortDoNotReachTheHost(t *testing.T) {
	tests := []struct {
		name       string
		endpoint   uint8
		actual     int
		status     usb.Status
		want       int32
		wantStatus usb.Status
	}{
		{"more than asked for", usbtest.BulkIn, 5, usb.OK, 4, usb.OK},
		{"negative length", usbtest.BulkIn, -1, usb.OK, 0, usb.OK},
		{"positive status", usbtest.BulkIn, 0, 1, 0, usb.EPROTO},
		{"more taken than sent", usbtest.BulkOut, 5, usb.OK, 4, usb.OK},
		{"cancelled without an UNLINK", usbtest.BulkIn, 0, usb.ECONNRESET, 0, usb.ECONNRESET},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
				message := submit(1, test.endpoint, usb.Setup{}, 4)
				if test.endpoint == usbtest.BulkOut {
					message = append(message, "data"...)
				}
				r.send(message)
				u := <-port.submitted
				port.take(u)
				u.Actual, u.Status = test.actual, test.status
				u.Done(u)
				payload := []byte(nil)
				if test.endpoint == usbtest.BulkIn {
					payload = make([]byte, test.want)
				}
				if reply := r.wantResult(1, test.wantStatus, payload); reply.Actual != test.want {
					t.Errorf("actual length %d, want %d", reply.Actual, test.want)
				}
				r.wantEcho(port, 2)
			})
		})
	}
}

func TestReplyClaimsNoIsochronousPackets(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		for seq, packets := range []int32{0, -1} { // from Linux, from Windows
			s := proto.Submit{Seq: uint32(seq), DevID: devID, In: true, Endpoint: 1, Length: 4, Packets: packets}
			r.send(s.Append(nil))
			port.complete(<-port.submitted, 4, usb.OK)
			if reply := r.wantResult(uint32(seq), usb.OK, make([]byte, 4)); reply.Packets != 0 {
				t.Errorf("reply to %d packets claims %d", packets, reply.Packets)
			}
		}
	})
}

// TestRefusedURBsAreDrained sends URBs that no endpoint takes, with all that
// belongs to them; the stream stays in step.
func TestRefusedURBsAreDrained(t *testing.T) {
	addr, _ := serve(t, server.Options{}, usbtest.NewDevice(t))
	r := importRaw(t, addr)
	packets := make([]usb.IsoPacket, 3)
	tests := map[string]proto.Submit{
		"unknown OUT endpoint":  {Endpoint: 5, Length: 1000},
		"unknown IN endpoint":   {Endpoint: 5, Length: 1000, In: true},
		"endpoint beyond 15":    {Endpoint: 16, Length: 1000},
		"endpoint 0xffffffff":   {Endpoint: 0xffffffff, Length: 10, In: true},
		"isochronous OUT":       {Endpoint: 5, Length: 1000, Packets: 3},
		"isochronous IN":        {Endpoint: 5, Length: 1000, Packets: 3, In: true},
		"isochronous beyond 15": {Endpoint: 17, Length: 1000, Packets: 3},
		"larger than a buffer":  {Endpoint: 16, Length: 1 << 20},
		"another configuration": {Endpoint: 3, Length: 8, In: true},
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			s.Seq, s.DevID = 1, devID
			message := s.Append(nil)
			if !s.In {
				message = append(message, make([]byte, s.Length)...)
			}
			if s.Packets > 0 {
				message = proto.AppendIsoPackets(message, packets)
			}
			r.send(message)
			if reply := r.wantResult(1, usb.EPIPE, []byte{}); reply.Actual != 0 || reply.Packets != s.Packets {
				t.Errorf("%+v, want nothing transferred", reply)
			}
			r.wantPackets(packets[:s.Packets], usb.EXDEV)
			r.wantAlive()
		})
	}
}

func TestMessagesThatEndTheConnection(t *testing.T) {
	header := func(s proto.Submit) []byte { return s.Append(nil) }
	tests := map[string][]byte{
		"unknown command":             append([]byte{0, 0, 0, 9}, make([]byte, 44)...),
		"command of a server":         (&proto.SubmitReply{Seq: 1}).Append(nil),
		"negative length":             header(proto.Submit{DevID: devID, Length: -1}),
		"length over the limit":       header(proto.Submit{DevID: devID, Length: proto.MaxTransfer + 1}),
		"packets over the limit":      header(proto.Submit{DevID: devID, Endpoint: 1, Packets: proto.MaxIsoPackets + 1}),
		"SUBMIT for another device":   header(proto.Submit{DevID: devID + 1}),
		"UNLINK for another device":   (&proto.Unlink{DevID: devID + 1}).Append(nil),
		"two SUBMITs with one number": append(submit(1, usbtest.BulkIn, usb.Setup{}, 8), submit(1, usbtest.BulkIn, usb.Setup{}, 8)...),
		"refused SUBMIT with the number of a pending one": append(submit(1, usbtest.BulkIn, usb.Setup{}, 8),
			header(proto.Submit{Seq: 1, DevID: devID, Endpoint: 16, In: true})...),
	}
	for name, message := range tests {
		t.Run(name, func(t *testing.T) {
			addr, _ := serve(t, server.Options{}, usbtest.NewDevice(t))
			r := importRaw(t, addr)
			r.send(message)
			r.wantDropped()
			importRaw(t, addr) // the device is free again
		})
	}
}

func TestConnectionThatBreaksOffInAMessage(t *testing.T) {
	addr, _ := serve(t, server.Options{}, usbtest.NewDevice(t))
	for name, message := range map[string][]byte{
		"header":  submit(1, usbtest.BulkIn, usb.Setup{}, 8)[:20],
		"payload": append(submit(1, usbtest.BulkOut, usb.Setup{}, 1000), make([]byte, 999)...),
		"drained": append(submit(1, 0x05, usb.Setup{}, 1000), make([]byte, 999)...),
	} {
		t.Run(name, func(t *testing.T) {
			h := importRetry(t, addr)
			h.send(message)
			h.Close()
		})
	}
	importRetry(t, addr)
}

// importRetry imports a device that its last host has just left; the server may
// still be busy with that.
func importRetry(t *testing.T, addr string) *raw {
	t.Helper()
	for {
		r := dialRaw(t, addr)
		r.send(proto.AppendImport(nil, busID))
		op := r.op()
		if op.Status == proto.OpBusy {
			r.Close()
			continue
		}
		if op.Status != proto.OpOK {
			t.Fatalf("import: %v", op.Status)
		}
		if _, err := proto.ReadDevice(r, false); err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func TestFlagsOfAURBReachTheDevice(t *testing.T) {
	d := usbtest.NewDevice(t)
	addr, _ := serve(t, server.Options{}, d)
	h := attach(t, addr)
	write := func(n int) chan error {
		result := make(chan error, 1)
		go func() { result <- d.In(usbtest.BulkIn).Write(t.Context(), make([]byte, n)) }()
		return result
	}

	written := write(10)
	u := h.do(&usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 512), Flags: usb.ShortNotOK})
	if err := <-written; err != nil || u.Status != usb.EREMOTEIO || u.Actual != 10 {
		t.Errorf("short where that is an error: %v, %d bytes, %v; want EREMOTEIO with 10", u.Status, u.Actual, err)
	}
	written = write(512)
	u = h.do(&usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 100)})
	if err := <-written; err != usb.ErrOverrun || u.Status != usb.EOVERFLOW || u.Actual != 100 {
		t.Errorf("babble: %v, %d bytes, %v; want EOVERFLOW with 100", u.Status, u.Actual, err)
	}

	if _, err := d.Out(usbtest.BulkOut).Read(t.Context(), nil); err != usb.ErrReset {
		t.Fatal(err)
	}
	u, done := h.start(&usb.URB{Endpoint: usbtest.BulkOut, Buffer: make([]byte, 512), Flags: usb.ZeroPacket})
	if n, err := d.Out(usbtest.BulkOut).Read(t.Context(), make([]byte, 1024)); n != 512 || err != nil {
		t.Errorf("transfer with a zero-length packet: %d bytes, %v; want 512", n, err)
	}
	<-done
	if u.Actual != 512 {
		t.Errorf("%d bytes taken, want 512", u.Actual)
	}
}

func TestWindowsPortReset(t *testing.T) {
	addr, _ := serve(t, server.Options{}, usbtest.NewDevice(t))
	r := importRaw(t, addr)
	s := proto.Submit{
		Seq: 3, DevID: devID, Packets: -1,
		Setup: usb.Setup{RequestType: 0x23, Request: usb.SetFeature, Value: usb.FeaturePortReset},
	}
	r.send(s.Append(nil))
	r.wantResult(3, usb.OK, nil)
	r.wantAlive()
}
