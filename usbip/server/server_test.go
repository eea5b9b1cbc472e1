package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestImportRefusals(t *testing.T) {
	d := usbtest.NewDevice(t)
	addr, _ := serve(t, server.Options{}, d)
	status := func(id string) proto.OpStatus {
		r := dialRaw(t, addr)
		r.send(proto.AppendImport(nil, id))
		op := r.op()
		if op.Status != proto.OpOK {
			r.wantDropped() // an error is 8 bytes and the end
		}
		return op.Status
	}
	if got := status("1-2"); got != proto.OpNoDevice {
		t.Errorf("unknown bus ID: %v", got)
	}
	if got := status("1-1.1"); got != proto.OpNoDevice {
		t.Errorf("bus ID that begins like a known one: %v", got)
	}
	importRaw(t, addr)
	if got := status(busID); got != proto.OpBusy {
		t.Errorf("device in use: %v", got)
	}

	scripted := newScripted()
	addr, _ = serve(t, server.Options{}, scripted)
	for err, want := range map[error]proto.OpStatus{
		usb.ErrBusy:                   proto.OpBusy, // by a host in this process
		usb.ErrNoDevice:               proto.OpNoDevice,
		errors.New("on fire"):         proto.OpDeviceError,
		fmt.Errorf("%w", usb.ErrBusy): proto.OpBusy,
	} {
		scripted.err = err
		if got := status(busID); got != want {
			t.Errorf("Connect says %v: %v, want %v", err, got, want)
		}
	}
	scripted.err = nil
	if got := status(busID); got != proto.OpOK {
		t.Errorf("after refusals: %v", got)
	}
}

func TestListShowsFreeDevicesOnly(t *testing.T) {
	used, free, unplugged := usbtest.NewDevice(t), usbtest.NewDevice(t), usbtest.NewDevice(t)
	unplugged.Unplug()
	addr, s := serve(t, server.Options{}, used)
	for id, p := range map[string]usb.Port{"2-1": free, "2-2": unplugged} {
		if err := s.Export(id, p); err != nil {
			t.Fatal(err)
		}
	}
	list := func() string {
		devices, err := client.List(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, d := range devices {
			ids = append(ids, d.BusID)
			if d.Vendor != 0x1209 || d.Speed != usb.SpeedHigh || len(d.Interfaces) != 1 || d.Interfaces[0].Class != 0xff {
				t.Errorf("%+v", d)
			}
		}
		return strings.Join(ids, " ")
	}
	if got := list(); got != "1-1 2-1" {
		t.Errorf("list %q, want 1-1 2-1", got)
	}
	h := attach(t, addr)
	if got := list(); got != "2-1" {
		t.Errorf("list %q while 1-1 is in use, want 2-1", got)
	}
	h.Close()
	unplugged.Plug()
	s.Unexport("2-1")
	s.Unexport("2-1")
	for list() == "2-2" { // until the server has seen that the host left
		_ = addr
	}
	if got := list(); got != "1-1 2-2" {
		t.Errorf("list %q, want 1-1 2-2", got)
	}
}

func TestNumbersSurviveTheLinuxTools(t *testing.T) {
	s := server.New(server.Options{})
	for i := range 400 {
		if err := s.Export(fmt.Sprintf("%d", i), newScripted()); err != nil {
			t.Fatal(err)
		}
	}
	listener := newPipes()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Serve(ctx, listener) }()
	r := listener.dial(t)
	go r.send(proto.Op{Code: proto.OpRequestDevices}.Append(nil))
	r.op()
	devices, err := proto.ReadDevices(r)
	if err != nil || len(devices) != 400 {
		t.Fatalf("%d devices, %v; want 400", len(devices), err)
	}
	seen := map[uint32]bool{}
	for _, d := range devices {
		if d.Bus < 1 || d.Bus > 255 || d.Number < 1 || d.Number > 255 || seen[d.DevID()] {
			t.Fatalf("device %s has bus %d, number %d", d.BusID, d.Bus, d.Number)
		}
		seen[d.DevID()] = true
	}
	r.Close()
	cancel()
	<-result
}

func TestExportRefusals(t *testing.T) {
	s := server.New(server.Options{})
	for _, id := range []string{"", strings.Repeat("x", 32), "a b", "a\x00", "ä"} {
		if err := s.Export(id, newScripted()); !errors.Is(err, server.ErrBusID) {
			t.Errorf("%q: %v, want %v", id, err, server.ErrBusID)
		}
	}
	if err := s.Export(strings.Repeat("x", 31), newScripted()); err != nil {
		t.Error(err)
	}
	if err := s.Export(strings.Repeat("x", 31), newScripted()); !errors.Is(err, server.ErrExported) {
		t.Errorf("taken: %v, want %v", err, server.ErrExported)
	}
}

func TestSeveralDevicesAtOnce(t *testing.T) {
	first, second := usbtest.NewDevice(t), usbtest.NewDevice(t)
	addr, s := serve(t, server.Options{}, first)
	if err := s.Export("1-2", second); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*usb.Device{first, second} {
		usbtest.Run(t, func(ctx context.Context) { echo(ctx, d) })
	}
	for _, id := range []string{busID, "1-2"} {
		d, err := client.Import(t.Context(), addr, id)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		h := &host{d, t}
		h.control(usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil)
		h.do(&usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte(id)})
		u := h.do(&usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 512)})
		if string(u.Buffer[:u.Actual]) != id {
			t.Errorf("device %s echoes %q", id, u.Buffer[:u.Actual])
		}
	}
}

func TestUnplugDropsTheConnection(t *testing.T) {
	d := usbtest.NewDevice(t)
	addr, _ := serve(t, server.Options{}, d)
	h := attach(t, addr)
	u, done := h.start(&usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 8)})
	h.control(usb.Setup{RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1}, nil) // the device has u
	d.Unplug()
	<-done
	<-h.Gone()
	if u.Status != usb.ESHUTDOWN || !errors.Is(h.Err(), client.ErrDisconnected) {
		t.Errorf("URB %v, device %v; want ESHUTDOWN, %v", u.Status, h.Err(), client.ErrDisconnected)
	}
	if _, err := client.Import(t.Context(), addr, busID); err == nil {
		t.Error("an unplugged device can be imported")
	}
	d.Plug()
	importRetry(t, addr)
}

func TestHostThatLeavesBeforeTheAnswerToItsImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := usbtest.NewDevice(t)
		listener := servePipes(t, server.Options{}, d)
		r := listener.dial(t)
		r.send(proto.AppendImport(nil, busID))
		r.Close()
		synctest.Wait()
		if _, err := d.Connect(); err != nil {
			t.Errorf("the device is not free: %v", err)
		}
	})
}

func TestUnexportTakesTheDeviceFromItsHost(t *testing.T) {
	d := usbtest.NewDevice(t)
	addr, s := serve(t, server.Options{}, d)
	h := attach(t, addr)
	s.Unexport(busID)
	if _, err := d.Connect(); err != nil {
		t.Errorf("the device is not free: %v", err)
	}
	<-h.Gone()
}

func TestServeEndsWithItsContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{})
	d := usbtest.NewDevice(t)
	if err := s.Export(busID, d); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Serve(ctx, listener) }()
	h := attach(t, listener.Addr().String())
	idle := dialRaw(t, listener.Addr().String()) // has not said what it wants
	_, done := h.start(&usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 8)})
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
	<-done
	idle.wantDropped()
	if _, err := d.Connect(); err != nil {
		t.Errorf("the device is not free: %v", err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("the listener is open")
	}
}

func TestServeReturnsTheErrorOfItsListener(t *testing.T) {
	listener := newPipes()
	listener.Close()
	err := server.New(server.Options{}).Serve(t.Context(), listener)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want %v", err, net.ErrClosed)
	}
}

func TestHandshakesThatEndTheConnection(t *testing.T) {
	addr, _ := serve(t, server.Options{}, usbtest.NewDevice(t))
	for name, message := range map[string]string{
		"another version":       "\x01\x06\x80\x05\x00\x00\x00\x00",
		"unknown operation":     "\x01\x11\x80\x07\x00\x00\x00\x00",
		"bus ID without an end": "\x01\x11\x80\x03\x00\x00\x00\x00" + strings.Repeat("1", 32),
	} {
		t.Run(name, func(t *testing.T) {
			r := dialRaw(t, addr)
			r.send([]byte(message))
			r.wantDropped()
		})
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	for name, message := range map[string][]byte{
		"silent":            {},
		"half a request":    {0x01, 0x11, 0x80},
		"import without ID": proto.AppendImport(nil, busID)[:8],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := servePipes(t, server.Options{HandshakeTimeout: 5 * time.Second}, newScripted()).dial(t)
				defer r.Close()
				start := time.Now()
				if len(message) > 0 {
					r.send(message)
				}
				if _, err := io.ReadAll(r); err != nil {
					t.Error(err)
				}
				if waited := time.Since(start); waited != 5*time.Second {
					t.Errorf("dropped after %v, want 5s", waited)
				}
			})
		})
	}
}

func TestImportedDeviceMayBeIdleForEver(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4))
		u := <-port.submitted
		time.Sleep(24 * time.Hour)
		port.complete(u, copy(u.Buffer, "late"), usb.OK)
		r.wantResult(1, usb.OK, []byte("late"))
	})
}

func TestSilentConnectionsGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 3
		port := newScripted()
		listener := servePipes(t, server.Options{MaxConnections: limit}, port)
		host := listener.dial(t)
		defer host.Close()
		host.importDevice()
		var silent []*raw
		for range 10 {
			silent = append(silent, listener.dial(t))
			synctest.Wait()
		}
		for _, r := range silent[:10-limit] {
			r.wantDropped()
		}
		last := listener.dial(t)
		defer last.Close()
		last.send(proto.AppendImport(nil, "unknown"))
		if op := last.op(); op.Status != proto.OpNoDevice {
			t.Errorf("the newcomer is answered %v, want %v", op.Status, proto.OpNoDevice)
		}
		silent[10-limit].wantDropped()
		for _, r := range silent[10-limit+1:] {
			r.Close()
		}
		host.wantEcho(port, 1) // the host that has the device still has it
	})
}
