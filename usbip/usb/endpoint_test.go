package usb_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func inURB(room int) *usb.URB { return &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, room)} }

func outURB(data []byte, flags usb.TransferFlags) *usb.URB {
	return &usb.URB{Endpoint: bulkOut, Buffer: data, Flags: flags}
}

// TestInTransferFillsURBsPacketByPacket sends one transfer to URBs of several
// sizes; packets have 512 bytes.
func TestInTransferFillsURBsPacketByPacket(t *testing.T) {
	type end struct {
		actual int
		status usb.Status
	}
	tests := []struct {
		name     string
		transfer int
		rooms    []int
		flags    usb.TransferFlags
		want     []end
		err      error
	}{
		{"short packet", 100, []int{512}, 0, []end{{100, usb.OK}}, nil},
		{"exact room, short packet", 100, []int{100}, 0, []end{{100, usb.OK}}, nil},
		{"zero-length packet in the same URB", 512, []int{1024}, 0, []end{{512, usb.OK}}, nil},
		{"zero-length packet in the next URB", 512, []int{512, 512}, 0, []end{{512, usb.OK}, {0, usb.OK}}, nil},
		{"empty transfer", 0, []int{512}, 0, []end{{0, usb.OK}}, nil},
		{"empty transfer, no room needed", 0, []int{0}, 0, []end{{0, usb.OK}}, nil},
		{"several URBs", 1300, []int{512, 512, 512}, 0, []end{{512, usb.OK}, {512, usb.OK}, {276, usb.OK}}, nil},
		{"babble in the first packet", 512, []int{100}, 0, []end{{100, usb.EOVERFLOW}}, usb.ErrOverrun},
		{"babble in a short packet", 300, []int{299}, 0, []end{{299, usb.EOVERFLOW}}, usb.ErrOverrun},
		{"babble in a later packet", 1300, []int{1000}, 0, []end{{1000, usb.EOVERFLOW}}, usb.ErrOverrun},
		{"babble without room", 1, []int{0}, 0, []end{{0, usb.EOVERFLOW}}, usb.ErrOverrun},
		{"short where that is an error", 100, []int{512}, usb.ShortNotOK, []end{{100, usb.EREMOTEIO}}, nil},
		{"full where short is an error", 512, []int{512, 0}, usb.ShortNotOK, []end{{512, usb.OK}, {0, usb.OK}}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := connected(t, nil)
			var urbs []*usb.URB
			var done []<-chan struct{}
			for _, room := range test.rooms {
				u := inURB(room)
				u.Flags = test.flags
				urbs, done = append(urbs, u), append(done, usbtest.Start(d, u))
			}
			if err := d.In(bulkIn).Write(t.Context(), pattern(test.transfer)); err != test.err {
				t.Errorf("Write: %v, want %v", err, test.err)
			}
			sent := pattern(test.transfer)
			for i, u := range urbs {
				<-done[i]
				if got := (end{u.Actual, u.Status}); got != test.want[i] {
					t.Errorf("URB %d: %+v, want %+v", i, got, test.want[i])
				}
				if !bytes.HasPrefix(sent, u.Buffer[:u.Actual]) {
					t.Fatalf("URB %d has other data than was sent", i)
				}
				sent = sent[u.Actual:]
			}
		})
	}
}

// TestOutTransferEndsAtAShortPacket sends URBs and reads one transfer from them.
func TestOutTransferEndsAtAShortPacket(t *testing.T) {
	const zlp = usb.ZeroPacket
	tests := []struct {
		name  string
		sizes []int
		flags usb.TransferFlags // of the last URB
		room  int
		n     int
		err   error
	}{
		{"short packet", []int{100}, 0, 512, 100, nil},
		{"empty", []int{0}, 0, 512, 0, nil},
		{"several URBs", []int{512, 1024, 10}, 0, 4096, 1546, nil},
		{"zero-length packet as a URB", []int{512, 0}, 0, 4096, 512, nil},
		{"zero-length packet by flag", []int{1024}, zlp, 4096, 1024, nil},
		{"flag without effect", []int{100}, zlp, 4096, 100, nil},
		{"exact room", []int{512, 0}, 0, 512, 512, nil},
		{"overrun within a URB", []int{100}, 0, 60, 60, usb.ErrOverrun},
		{"overrun over several URBs", []int{512, 512, 1}, 0, 600, 600, usb.ErrOverrun},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := connected(t, nil)
			out := d.Out(bulkOut)
			synchronise(t, out)
			var sent []byte
			var urbs []*usb.URB
			for i, size := range test.sizes {
				data := pattern(size)
				u := outURB(data, 0)
				if i == len(test.sizes)-1 {
					u.Flags = test.flags
				}
				usbtest.Start(d, u)
				sent, urbs = append(sent, data...), append(urbs, u)
			}
			p := make([]byte, test.room)
			n, err := out.Read(t.Context(), p)
			if n != test.n || err != test.err {
				t.Fatalf("Read: %d bytes, %v; want %d, %v", n, err, test.n, test.err)
			}
			if !bytes.Equal(p[:n], sent[:n]) {
				t.Error("other data than was sent")
			}
			for i, u := range urbs {
				if u.Actual != test.sizes[i] || u.Status != usb.OK {
					t.Errorf("URB %d: %d bytes, %v; want %d and success", i, u.Actual, u.Status, test.sizes[i])
				}
			}
			usbtest.Start(d, outURB([]byte{42}, 0))
			if n, err := out.Read(t.Context(), p); n != 1 || err != nil || p[0] != 42 {
				t.Errorf("next transfer: %d bytes, %v; want 1", n, err)
			}
		})
	}
}

func TestWriteWaitsForTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		result := write(t.Context(), d.In(bulkIn), pattern(700))
		for range 2 {
			synctest.Wait()
			select {
			case err := <-result:
				t.Fatalf("Write returned %v before the host had everything", err)
			default:
			}
			wantStatus(t, usbtest.Do(d, inURB(512)), usb.OK)
		}
		if err := <-result; err != nil {
			t.Fatal(err)
		}
	})
}

func TestReadGoesOnWhereItsContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		out := d.Out(bulkOut)
		synchronise(t, out)
		ctx, cancel := context.WithCancel(t.Context())
		p := make([]byte, 2000)
		result := read(ctx, out, p)
		usbtest.Start(d, outURB(pattern(512), 0))
		synctest.Wait()
		cancel()
		if r := <-result; r.n != 512 || !errors.Is(r.err, context.Canceled) {
			t.Fatalf("%d bytes, %v; want 512 and the error of the context", r.n, r.err)
		}
		usbtest.Start(d, outURB(pattern(3), 0))
		if n, err := out.Read(t.Context(), p); n != 3 || err != nil {
			t.Errorf("rest: %d bytes, %v; want 3", n, err)
		}
	})
}

func TestResetEndsAnOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		out := d.Out(bulkOut)
		synchronise(t, out)
		ctx, cancel := context.WithCancel(t.Context())
		reading := read(ctx, out, make([]byte, 100))
		usbtest.Start(d, outURB(pattern(512), 0))
		synctest.Wait()
		cancel()
		if r := <-reading; r.n != 100 || !errors.Is(r.err, context.Canceled) {
			t.Fatalf("%d bytes, %v; want 100 and the error of the context", r.n, r.err)
		}
		wantStatus(t, control(d, usb.Setup{RequestType: onEndpoint, Request: usb.ClearFeature, Index: bulkOut}, nil), usb.OK)
		synchronise(t, out)
		usbtest.Start(d, outURB([]byte{1}, 0))
		if n, err := out.Read(t.Context(), make([]byte, 100)); n != 1 || err != nil {
			t.Errorf("%d bytes, %v; want 1", n, err)
		}
	})
}

func TestWriteEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		first := write(ctx, d.In(bulkIn), []byte{1})
		synctest.Wait()
		second := write(ctx, d.In(bulkIn), []byte{2}) // waits for its turn
		synctest.Wait()
		cancel()
		for _, result := range []<-chan error{first, second} {
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want the error of the context", err)
			}
		}
		go func() { _ = d.In(bulkIn).Write(t.Context(), []byte{3}) }()
		u := usbtest.Do(d, inURB(512))
		if u.Actual != 1 || u.Buffer[0] != 3 {
			t.Errorf("% x, want what was written last", u.Buffer[:u.Actual])
		}
	})
}

// TestFunctionIsToldOfEveryReset interrupts a Read that has half a transfer and
// a Write that has sent half of one.
func TestFunctionIsToldOfEveryReset(t *testing.T) {
	request := func(s usb.Setup) func(*testing.T, *usb.Device) {
		return func(t *testing.T, d *usb.Device) {
			t.Helper()
			wantStatus(t, control(d, s, nil), usb.OK)
		}
	}
	both := func(s usb.Setup) func(*testing.T, *usb.Device) {
		return func(t *testing.T, d *usb.Device) {
			t.Helper()
			for _, address := range []uint16{bulkIn, bulkOut} {
				s.Index = address
				wantStatus(t, control(d, s, nil), usb.OK)
			}
		}
	}
	tests := []struct {
		name  string
		reset func(*testing.T, *usb.Device)
	}{
		{"same configuration again", request(usb.Setup{Request: usb.SetConfiguration, Value: 1})},
		{"other configuration", request(usb.Setup{Request: usb.SetConfiguration, Value: 7})},
		{"no configuration", request(usb.Setup{Request: usb.SetConfiguration})},
		{"same alternate setting again", request(usb.Setup{RequestType: onInterface, Request: usb.SetInterface})},
		{"clear halt", both(usb.Setup{RequestType: onEndpoint, Request: usb.ClearFeature})},
		{"port reset", request(usb.Setup{RequestType: 0x23, Request: usb.SetFeature, Value: usb.FeaturePortReset})},
		{"host left", func(_ *testing.T, d *usb.Device) { d.Disconnect() }},
		{"unplugged", func(_ *testing.T, d *usb.Device) { d.Unplug() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := connected(t, nil)
				synchronise(t, d.Out(bulkOut))
				reading := read(t.Context(), d.Out(bulkOut), make([]byte, 4096))
				writing := write(t.Context(), d.In(bulkIn), pattern(1000))
				wantStatus(t, usbtest.Do(d, outURB(pattern(512), 0)), usb.OK)
				wantStatus(t, usbtest.Do(d, inURB(512)), usb.OK)
				test.reset(t, d)
				if r := <-reading; r.n != 0 || r.err != usb.ErrReset {
					t.Errorf("Read: %d bytes, %v; want %v", r.n, r.err, usb.ErrReset)
				}
				if err := <-writing; err != usb.ErrReset {
					t.Errorf("Write: %v, want %v", err, usb.ErrReset)
				}
			})
		})
	}
}

func TestIdleFunctionHearsOfAResetOnceAndOnlyWhenReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		synchronise(t, d.Out(bulkOut))
		d.Disconnect()
		if _, err := d.Connect(); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
		usbtest.Start(d, outURB([]byte{7}, 0))
		p := make([]byte, 512)
		if _, err := d.Out(bulkOut).Read(t.Context(), p); err != usb.ErrReset {
			t.Fatalf("%v, want %v before data of the next host", err, usb.ErrReset)
		}
		if n, err := d.Out(bulkOut).Read(t.Context(), p); n != 1 || err != nil {
			t.Fatalf("%d bytes, %v; want 1", n, err)
		}
		writing := write(t.Context(), d.In(bulkIn), []byte{8})
		wantStatus(t, usbtest.Do(d, inURB(512)), usb.OK)
		if err := <-writing; err != nil {
			t.Errorf("Write after a reset that it did not see: %v", err)
		}
	})
}

func TestHaltStallsUntilTheHostClearsIt(t *testing.T) {
	d := connected(t, nil)
	status := usb.Setup{RequestType: in | onEndpoint, Request: usb.GetStatus, Length: 2}
	feature := func(request uint8, address uint16) {
		t.Helper()
		wantStatus(t, control(d, usb.Setup{RequestType: onEndpoint, Request: request, Index: address}, nil), usb.OK)
	}
	halts := map[string]func(uint16){
		"by the host": func(address uint16) { feature(usb.SetFeature, address) },
		"by the function": func(address uint16) {
			if address == bulkIn {
				d.In(bulkIn).Halt()
			} else {
				d.Out(bulkOut).Halt()
			}
		},
	}
	for name, halt := range halts {
		for _, address := range []uint16{bulkIn, bulkOut} {
			u := &usb.URB{Endpoint: uint8(address), Buffer: make([]byte, 512)}
			done := usbtest.Start(d, u)
			halt(address)
			<-done
			wantStatus(t, u, usb.EPIPE)
			wantStatus(t, usbtest.Do(d, u), usb.EPIPE)
			status.Index = address
			if got := control(d, status, nil).Buffer[0]; got != 1 {
				t.Errorf("halt of %02x %s: status %d, want 1", address, name, got)
			}
			feature(usb.ClearFeature, address)
			if got := control(d, status, nil).Buffer[0]; got != 0 {
				t.Errorf("halt of %02x %s: status %d after clearing, want 0", address, name, got)
			}
			done = usbtest.Start(d, u)
			if !pending(done) {
				t.Errorf("halt of %02x %s: the endpoint still answers %v", address, name, u.Status)
			}
			d.Cancel(u)
			<-done
		}
	}
	feature(usb.SetFeature, 0) // the control pipe takes it and goes on working
	feature(usb.ClearFeature, 0x80)
}

func TestHaltOfAnUnconfiguredEndpointDoesNothing(t *testing.T) {
	d := newDevice(t, example(), nil)
	d.In(bulkIn).Halt()
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
	if done := usbtest.Start(d, inURB(512)); !pending(done) {
		t.Error("the endpoint is halted")
	}
}

func TestURBsOfOneEndpointFinishInOrder(t *testing.T) {
	d := connected(t, nil)
	var order []int
	last := make(chan struct{})
	const count = 100
	for i := range count {
		d.Submit(&usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 512), Done: func(*usb.URB) {
			if order = append(order, i); len(order) == count {
				close(last)
			}
		}})
	}
	if err := d.In(bulkIn).Write(t.Context(), pattern(count*512-1)); err != nil {
		t.Fatal(err)
	}
	<-last
	for i, got := range order {
		if got != i {
			t.Fatalf("URB %d finished as number %d", got, i)
		}
	}
}
