//go:build hardware && cgo

package gousb_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"usbhsm7/hostdrv/hostdrvtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/gousb"
	"usbhsm7/hostdrv/transport/transporttest"
)

// The device to test is named by this environment variable: a serial number,
// or idVendor:idProduct in hexadecimal. Its keys are destroyed.
const deviceVariable = "HSM7_TEST_DEVICE"

// These may hold shell commands that take the device off the bus and put it
// back, such as "usbip detach -p 0". With them its disappearance is tested too.
const (
	unplugVariable = "HSM7_TEST_UNPLUG"
	plugVariable   = "HSM7_TEST_PLUG"
)

// This one, if it is not empty, says that people at the device make and present the
// keysets that they are asked for.
const attendedVariable = "HSM7_TEST_ATTENDED"

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

// plugs returns what unplugs the device and what plugs it in again, nil if the
// environment does not say how. Both return when the bus shows it.
func plugs(t *testing.T, bus *gousb.Bus, device transport.Info) (unplug, plug func()) {
	off, on := os.Getenv(unplugVariable), os.Getenv(plugVariable)
	if off == "" || on == "" {
		return nil, nil
	}
	await := func(command string, present bool) {
		t.Helper()
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		for listed(t, bus, device) != present {
			select {
			case <-look.C:
			case <-ctx.Done():
				t.Fatalf("after %q the bus does not change", command)
			}
		}
	}
	return func() { await(off, false) }, func() { await(on, true) }
}

func listed(t *testing.T, bus *gousb.Bus, device transport.Info) bool {
	t.Helper()
	found, err := bus.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(found, device)
}

func TestConformance(t *testing.T) {
	bus := gousb.New()
	info := facts(t, bus)
	transporttest.Run(t, func(t *testing.T) transporttest.Target {
		unplug, plug := plugs(t, bus, info)
		return transporttest.Target{
			Bus: bus, Device: info, Unplug: unplug, Plug: plug,
			Halt: func(link transport.Link, e transporttest.Endpoint) {
				if err := gousb.Halt(link, e); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestDriver(t *testing.T) {
	bus := gousb.New()
	info := facts(t, bus)
	hostdrvtest.Run(t, func(t *testing.T) hostdrvtest.Target {
		unplug, plug := plugs(t, bus, info)
		return hostdrvtest.Target{
			Bus: bus, Unplug: unplug, Plug: plug, Attended: os.Getenv(attendedVariable) != "",
			Selector: transport.Selector{Vendor: info.Vendor, Product: info.Product, Serial: info.Serial},
		}
	})
}
