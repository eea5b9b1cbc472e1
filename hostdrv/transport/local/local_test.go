package local_test

import (
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/hostdrv/hostdrvtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/local"
	"usbhsm7/hostdrv/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serial = "LOCAL0042A"

// power switches a new device on, and off with the test.
func power(t testing.TB) *device.Device {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.New(device.Config{Flash: image, Serial: serial, Path: new(peopletest.People)})
	if err != nil {
		t.Fatalf("switch the device on: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("switch the device off: %v", err)
		}
	})
	return d
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Target {
		d := power(t)
		return transporttest.Target{
			Bus: local.New(d.USB()),
			Device: transport.Info{
				Vendor: device.DefaultVendor, Product: device.DefaultProduct, Serial: serial, Path: "local-1",
			},
			Unplug: d.USB().Unplug, Plug: d.USB().Plug, Halt: transporttest.Halter(d.USB()),
		}
	})
}

func TestDriver(t *testing.T) {
	hostdrvtest.Run(t, func(t *testing.T) hostdrvtest.Target {
		d := power(t)
		return hostdrvtest.Target{Bus: local.New(d.USB()), Unplug: d.USB().Unplug, Plug: d.USB().Plug, Attended: true}
	})
}
