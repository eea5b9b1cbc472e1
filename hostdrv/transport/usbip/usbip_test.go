package usbip_test

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/hostdrv/hostdrvtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/transporttest"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/socket/labca"
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
	return serveOn(t, "127.0.0.1:0", nil, nil)
}

// serveOn is serve on an address, with TLS if there are configs.
func serveOn(t testing.TB, address string, ours, theirs *tls.Config) (*usb.Device, *usbip.Bus) {
	t.Helper()
	return serveAt(t, usb.SpeedHigh, address, ours, theirs)
}

// serveAt is serveOn at a speed of the connection.
func serveAt(t testing.TB, speed usb.Speed, address string, ours, theirs *tls.Config) (*usb.Device, *usbip.Bus) {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.New(device.Config{Flash: image, Serial: serial, Speed: speed, Path: new(peopletest.People)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("switch the device off: %v", err)
		}
	})
	return d.USB(), usbip.NewTLS(exportOn(t, d.USB(), address, ours), theirs)
}

// exportOn exports a port until the test ends, and returns the address.
func exportOn(t testing.TB, p usb.Port, address string, ours *tls.Config) string {
	t.Helper()
	srv := server.New(server.Options{})
	if err := srv.Export(busID, p); err != nil {
		t.Fatal(err)
	}
	listener, err := socket.Listen(t.Context(), address, ours)
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
	})
	return socket.Name(listener.Addr())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T) transporttest.Target {
		return target(serve(t))
	})
}

func TestConformanceOverAUnixSocket(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T) transporttest.Target {
		port, bus := serveOn(t, "unix:"+filepath.Join(t.TempDir(), "s"), nil, nil)
		return target(port, bus)
	})
}

// At another speed packets have another size, so other transfers end with a
// zero-length packet, and at full speed an event takes several packets.
func TestConformanceAtOtherSpeeds(t *testing.T) {
	t.Parallel()
	for _, speed := range []usb.Speed{usb.SpeedFull, usb.SpeedSuper} {
		t.Run(speed.String(), func(t *testing.T) {
			transporttest.Run(t, func(t *testing.T) transporttest.Target {
				return target(serveAt(t, speed, "127.0.0.1:0", nil, nil))
			})
		})
	}
}

func TestConformanceOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := labca.Write(dir, labca.Plan{}); err != nil {
		t.Fatal(err)
	}
	identity := func(name string) socket.Identity {
		return socket.Identity{
			Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.pem"),
		}
	}
	ours, err := identity("server").Server()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := identity("client").Client()
	if err != nil {
		t.Fatal(err)
	}
	transporttest.Run(t, func(t *testing.T) transporttest.Target {
		port, bus := serveOn(t, "127.0.0.1:0", ours, theirs)
		return target(port, bus)
	})
}

func target(port *usb.Device, bus *usbip.Bus) transporttest.Target {
	return transporttest.Target{
		Bus: bus,
		Device: transport.Info{
			Vendor: device.DefaultVendor, Product: device.DefaultProduct, Serial: serial, Path: busID,
		},
		Unplug: port.Unplug, Plug: port.Plug, Halt: transporttest.Halter(port),
	}
}

func TestDriver(t *testing.T) {
	t.Parallel()
	hostdrvtest.Run(t, func(t *testing.T) hostdrvtest.Target {
		port, bus := serve(t)
		return hostdrvtest.Target{Bus: bus, Unplug: port.Unplug, Plug: port.Plug, Attended: true}
	})
}
