package device_test

import (
	"errors"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/usbip/usb"
)

// endpointsOf returns address and wMaxPacketSize of the endpoints that a device
// describes, in order.
func endpointsOf(t *testing.T, port usb.Port) (list [][2]int) {
	t.Helper()
	u := &usb.URB{
		Endpoint: usb.DirIn, Buffer: make([]byte, 255), Done: func(*usb.URB) {},
		Setup: usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorConfiguration << 8, Length: 255},
	}
	port.Submit(u)
	for b := u.Buffer[:u.Actual]; len(b) > 0; b = b[b[0]:] {
		if b[1] == usb.DescriptorEndpoint {
			list = append(list, [2]int{int(b[2]), int(b[4]) | int(b[5])<<8})
		}
	}
	return list
}

func TestEndpointsAtEachSpeed(t *testing.T) {
	for speed, want := range map[usb.Speed][3]int{
		usb.SpeedFull:    {64, 64, 64},
		usb.SpeedHigh:    {512, 512, 512},
		usb.SpeedSuper:   {1024, 1024, 512},
		usb.SpeedUnknown: {512, 512, 512}, // high by default
	} {
		d, err := device.New(device.Config{Flash: blank(t), Speed: speed})
		if err != nil {
			t.Fatal(err)
		}
		h := plugIn(t, d)
		got := endpointsOf(t, h.port)
		for i, address := range []int{0x01, 0x81, 0x82} {
			if len(got) != 3 || got[i] != [2]int{address, want[i]} {
				t.Errorf("%v: endpoints %x, want packets of %d", speed, got, want)
			}
		}
		if m := h.hello(); command.Status(m.Code) != command.StatusOK {
			t.Errorf("%v: HELLO: %v", speed, command.Status(m.Code))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSpeedsThatTheDeviceCannotHave(t *testing.T) {
	_, err := device.New(device.Config{Flash: blank(t), Speed: usb.SpeedLow})
	if !errors.Is(err, usb.ErrDescriptors) || !strings.Contains(err.Error(), "low speed") {
		t.Errorf("%v, want one that speaks of low speed", err)
	}
}
