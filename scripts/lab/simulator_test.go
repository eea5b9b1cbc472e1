//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// The device under test, as its server exports it.
const (
	busID  = "1-1"
	serial = "7000042"
)

// simulator is a device on a server of this process.
type simulator struct {
	device  *device.Device // nil for a device that is not the product
	server  *server.Server
	port    string // TCP port of the server
	address string // of the server, as the guest sees it
	stop    func() // ends the server and every connection
}

// plugIn starts a simulator of a factory-new HSM, with people in front of it, that ends with the test. By
// then the guest has let go of it, or sees it unplugged.
func plugIn(t *testing.T) *simulator {
	t.Helper()
	return plugInAt(t, usb.SpeedHigh)
}

// plugInAt is plugIn at any speed.
func plugInAt(t *testing.T, speed usb.Speed) *simulator {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.New(device.Config{Flash: image, Speed: speed, Serial: serial, Path: new(peopletest.People)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close the device: %v", err)
		}
	})
	s := export(t, d.USB())
	s.device = d
	return s
}

// export serves any device until the test ends; nil = none yet.
func export(t *testing.T, p usb.Port) *simulator {
	t.Helper()
	s := server.New(server.Options{})
	if p != nil {
		if err := s.Export(busID, p); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(ctx, listener); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("serve: %v", err)
		}
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	return &simulator{server: s, port: port, address: net.JoinHostPort(lab.HostAddress, port), stop: stop}
}

// usbip returns the stock tool's command for this simulator.
func (s *simulator) usbip(arguments ...string) []string {
	return append([]string{"usbip", "--tcp-port", s.port}, arguments...)
}

// attach attaches the device with the stock tool.
func (s *simulator) attach(ctx context.Context, t *testing.T, b *bench) lab.Result {
	t.Helper()
	return b.run(ctx, t, s.usbip("attach", "-r", lab.HostAddress, "-b", busID)...)
}

// quiet fails if the stock tool had more to say than which port it uses.
func (s *simulator) quiet(t *testing.T, r lab.Result) {
	t.Helper()
	if want := fmt.Sprintf("usbip: info: using port %[1]s (%[1]q)\n", s.port); r.Stderr != want {
		t.Errorf("usbip says %q, want %q", r.Stderr, want)
	}
}
