package server_test

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestHostOverItsLimitsIsNotReadFrom(t *testing.T) {
	tests := map[string]server.Options{
		"URBs":  {MaxPending: 4},
		"bytes": {MaxPendingBytes: 4 * 1024},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) {
			withScripted(t, options, func(t *testing.T, r *raw, port *scripted) {
				var requests []byte
				for seq := range uint32(6) {
					requests = append(requests, submit(seq, usbtest.BulkIn, usb.Setup{}, 1024)...)
				}
				r.send(requests)
				synctest.Wait()
				if port.count() != 4 {
					t.Fatalf("%d URBs reached the device, limit 4", port.count())
				}
				u := <-port.submitted
				port.complete(u, 0, usb.OK)
				r.wantResult(0, usb.OK, nil)
				synctest.Wait()
				if port.count() != 4 {
					t.Errorf("%d URBs pending after one of 4 ended, want 4", port.count())
				}
			})
		})
	}
}

func TestURBOverTheByteLimitIsServedAlone(t *testing.T) {
	withScripted(t, server.Options{MaxPendingBytes: 1024}, func(t *testing.T, r *raw, port *scripted) {
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 1<<20), submit(2, usbtest.BulkIn, usb.Setup{}, 4))
		u := <-port.submitted
		synctest.Wait()
		if port.count() != 1 {
			t.Fatalf("%d URBs reached the device, want 1", port.count())
		}
		go port.complete(u, len(u.Buffer), usb.OK)
		r.wantResult(1, usb.OK, make([]byte, 1<<20))
		port.complete(<-port.submitted, 4, usb.OK)
		r.wantResult(2, usb.OK, make([]byte, 4))
	})
}

// TestHostThatDoesNotReadIsNotReadFrom floods the server with requests whose
// answers nobody takes.
func TestHostThatDoesNotReadIsNotReadFrom(t *testing.T) {
	withScripted(t, server.Options{MaxPendingBytes: 10 * proto.HeaderSize}, func(t *testing.T, r *raw, port *scripted) {
		refused := proto.Submit{DevID: devID, Endpoint: 16, In: true}
		const count = 20000 // more than the read buffer holds
		sent := make(chan int)
		go func() {
			n := 0
			for range count {
				refused.Seq++
				if _, err := r.Write(refused.Append(nil)); err != nil {
					break
				}
				n++
			}
			sent <- n
		}()
		synctest.Wait()
		select {
		case n := <-sent:
			t.Fatalf("the server took all %d requests without sending answers", n)
		default:
		}
		for range count {
			r.header()
		}
		if n := <-sent; n != count {
			t.Errorf("%d requests sent, want %d", n, count)
		}
	})
}

func TestHostOverItsLimitsForLongIsDropped(t *testing.T) {
	withScripted(t, server.Options{MaxPending: 1, StallTimeout: time.Minute}, func(t *testing.T, r *raw, port *scripted) {
		start := time.Now()
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4), submit(2, usbtest.BulkIn, usb.Setup{}, 4))
		if _, err := io.ReadAll(r); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("dropped after %v, want 1m", waited)
		}
	})
}

// TestHostThatLeavesOverItsLimitsIsNoticed: the end of its connection is behind
// requests for which there is no room.
func TestHostThatLeavesOverItsLimitsIsNoticed(t *testing.T) {
	port := newScripted()
	addr, _ := serve(t, server.Options{MaxPending: 1, StallTimeout: time.Hour}, port)
	r := dialRaw(t, addr)
	r.importDevice()
	r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4), submit(2, usbtest.BulkIn, usb.Setup{}, 4))
	<-port.submitted
	r.Close()
	for start := time.Now(); ; {
		d, err := client.Import(t.Context(), addr, busID)
		if err == nil {
			d.Close()
			return
		}
		if !errors.Is(err, client.ErrBusy) || time.Since(start) > 2*time.Minute {
			t.Fatalf("the device is not free: %v", err)
		}
	}
}

// TestNothingReachesTheDeviceOnceASessionIsOver: what the host had sent beyond its
// limits, and the server had read, goes with the session.
func TestNothingReachesTheDeviceOnceASessionIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := newScripted()
		listener := newPipes()
		s := serveOn(t, listener, server.Options{MaxPending: 1}, port)
		r := listener.dial(t)
		r.importDevice()
		var requests []byte
		for seq := range uint32(100) {
			requests = append(requests, submit(seq, usbtest.BulkIn, usb.Setup{}, proto.MaxTransfer)...)
		}
		r.send(requests)
		synctest.Wait()
		s.Unexport(busID)
		if n := len(port.submitted); n != 1 {
			t.Errorf("%d URBs reached the device, limit 1", n)
		}
	})
}

func TestUnlinkGetsThroughAtTheLimit(t *testing.T) {
	withScripted(t, server.Options{MaxPending: 2}, func(t *testing.T, r *raw, port *scripted) {
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4), submit(2, usbtest.BulkIn, usb.Setup{}, 4), unlink(3, 1))
		r.wantUnlinked(3, usb.ECONNRESET)
	})
}

// TestSteadyStateAllocatesNothing counts the allocations of server, device and
// a host that reuses its messages.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	d := usbtest.NewDevice(t)
	addr, _ := serve(t, server.Options{}, d)
	r := importRaw(t, addr)
	usbtest.Run(t, sink(d))
	usbtest.Run(t, source(d))
	out := append(submit(1, usbtest.BulkOut, usb.Setup{}, 4096), make([]byte, 4096)...)
	in := submit(2, usbtest.BulkIn, usb.Setup{}, 4096)
	descriptor := submit(3, 0x80, usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: 0x0100, Length: 18}, 18)
	reply := make([]byte, proto.HeaderSize+4096)
	round := func() {
		for _, request := range [][]byte{out, in, descriptor} {
			if _, err := r.Write(request); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, reply[:proto.HeaderSize]); err != nil {
				t.Fatal(err)
			}
			if request[15] != 0 { // IN
				n := int(reply[26])<<8 | int(reply[27])
				if _, err := io.ReadFull(r, reply[:n]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := testing.AllocsPerRun(2000, round); n != 0 {
		t.Errorf("%v allocations for three URBs, want 0", n)
	}
}
