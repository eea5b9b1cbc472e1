//go:build hardware && cgo

package gousb_test

import (
	"cmp"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"usbhsm7/hostdrv/hostdrvtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/gousb"
	"usbhsm7/hostdrv/transport/transporttest"
)

// The device to test is named by this environment variable: a serial number,
// or idVendor:idProduct in hexadecimal. Its keys are destroyed.
const deviceVariable = "HSM7_TEST_DEVICE"

// start starts libusb until the test ends.
func start(t *testing.T) *gousb.Bus {
	t.Helper()
	bus, err := gousb.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bus.Close(); err != nil {
			t.Error(err)
		}
	})
	return bus
}

// selector returns what the environment names.
func selector(t *testing.T) transport.Selector {
	t.Helper()
	name := os.Getenv(deviceVariable)
	if name == "" {
		t.Fatalf("set %s to the serial number or the vendor:product of the device to test", deviceVariable)
	}
	v, p, isPair := strings.Cut(name, ":")
	if !isPair {
		return transport.Selector{Serial: name}
	}
	vendor, errV := strconv.ParseUint(v, 16, 16)
	product, errP := strconv.ParseUint(p, 16, 16)
	if err := cmp.Or(errV, errP); err != nil {
		t.Fatalf("%s=%q: %v", deviceVariable, name, err)
	}
	return transport.Selector{Vendor: uint16(vendor), Product: uint16(product)}
}

// facts opens the device once to learn all there is to know of it.
func facts(t *testing.T, bus *gousb.Bus) transport.Info {
	t.Helper()
	link, err := bus.Open(context.Background(), selector(t))
	if err != nil {
		t.Fatal(err)
	}
	info := link.Info()
	if err := link.Close(); err != nil {
		t.Fatal(err)
	}
	return info
}

func TestConformance(t *testing.T) {
	bus := start(t)
	info := facts(t, bus)
	transporttest.Run(t, func(*testing.T) transporttest.Target {
		return transporttest.Target{Bus: bus, Device: info}
	})
}

func TestDriver(t *testing.T) {
	bus := start(t)
	info := facts(t, bus)
	hostdrvtest.Run(t, func(*testing.T) hostdrvtest.Target {
		return hostdrvtest.Target{
			Bus: bus, Selector: transport.Selector{Vendor: info.Vendor, Product: info.Product, Serial: info.Serial},
		}
	})
}
