package usbip_test

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/hostdrv/hostdrvtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/transporttest"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	serial = "REMOTE042A"
	busID  = "1-1"
)

// serve switches a new device on and exports it on the loopback interface,
// until the test ends.
func serve(t testing.TB) (*usb.Device, *usbip.Bus) {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.New(device.Config{Flash: image, Serial: serial})
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{})
	if err := srv.Export(busID, d.USB()); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("switch the device off: %v", err)
		}
	})
	return d.USB(), usbip.New(listener.Addr().String())
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Target {
		port, bus := serve(t)
		return transporttest.Target{
			Bus: bus,
			Device: transport.Info{
				Vendor: device.DefaultVendor, Product: device.DefaultProduct, Serial: serial, Path: busID,
			},
			Unplug: port.Unplug, Plug: port.Plug,
		}
	})
}

func TestDriver(t *testing.T) {
	hostdrvtest.Run(t, func(t *testing.T) hostdrvtest.Target {
		port, bus := serve(t)
		return hostdrvtest.Target{Bus: bus, Unplug: port.Unplug, Plug: port.Plug}
	})
}
