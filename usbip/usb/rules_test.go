package usb_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// TestEndpointsThatAreAllowed has the extremes of each type and speed, and
// TestEndpointsThatBreakRules what is just beyond them.
func TestEndpointsThatAreAllowed(t *testing.T) {
	tests := map[usb.Speed][]usb.Endpoint{
		usb.SpeedFull: {
			{Type: usb.Bulk, MaxPacketSize: 8},
			{Type: usb.Bulk, MaxPacketSize: 64},
			{Type: usb.Interrupt, MaxPacketSize: 1, Interval: 1},
			{Type: usb.Interrupt, MaxPacketSize: 64, Interval: 255},
			{Type: usb.Isochronous, Interval: 16},
			{Type: usb.Isochronous, MaxPacketSize: 1023, Interval: 1},
		},
		usb.SpeedHigh: {
			{Type: usb.Bulk, MaxPacketSize: 512, Interval: 255},
			{Type: usb.Interrupt, MaxPacketSize: 1, Interval: 16},
			{Type: usb.Interrupt, MaxPacketSize: 683, Mult: 2, Interval: 1},
			{Type: usb.Isochronous, Interval: 1},
			{Type: usb.Isochronous, MaxPacketSize: 513, Mult: 1, Interval: 16},
			{Type: usb.Isochronous, MaxPacketSize: 1024, Mult: 2, Interval: 1, Sync: usb.Synchronous, Usage: usb.Feedback},
		},
		usb.SpeedSuper: {
			{Type: usb.Bulk, MaxPacketSize: 1024},
			{Type: usb.Bulk, MaxPacketSize: 1024, MaxBurst: 15},
			{Type: usb.Interrupt, MaxPacketSize: 1, Interval: 16},
			{Type: usb.Interrupt, MaxPacketSize: 1024, MaxBurst: 2, Interval: 1},
			{Type: usb.Isochronous, Interval: 16},
			{Type: usb.Isochronous, MaxPacketSize: 1024, MaxBurst: 15, Mult: 2, Interval: 1},
		},
	}
	for speed, endpoints := range tests {
		for _, e := range endpoints {
			if err := describe(speed, e); err != nil {
				t.Errorf("%v: %+v: %v", speed, e, err)
			}
		}
	}
}

func TestEndpointsThatBreakRules(t *testing.T) {
	const full, high, super = usb.SpeedFull, usb.SpeedHigh, usb.SpeedSuper
	tests := []struct {
		speed    usb.Speed
		endpoint usb.Endpoint
		want     string
	}{
		{full, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 24}, "bulk with packets of 24 bytes at full speed"},
		{full, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 128}, "bulk with packets of 128 bytes"},
		{full, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 4}, "bulk with packets of 4 bytes"},
		{full, usb.Endpoint{Type: usb.Interrupt, MaxPacketSize: 65, Interval: 1}, "interrupt with packets of 65 bytes"},
		{full, usb.Endpoint{Type: usb.Interrupt, MaxPacketSize: 64}, "interval 0 at full speed, want 1 to 255"},
		{full, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 1024, Interval: 1}, "isochronous with packets of 1024 bytes"},
		{full, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 9, Interval: 17}, "interval 17 at full speed, want 1 to 16"},
		{full, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 1023, Mult: 1, Interval: 1}, "mult 1 and burst 0 at full speed"},

		{high, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 1024}, "bulk with packets of 1024 bytes at high speed"},
		{high, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 512, Mult: 1}, "bulk with mult 1"},
		{high, usb.Endpoint{Type: usb.Interrupt, Interval: 1}, "interrupt with packets of 0 bytes"},
		{high, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 1025, Interval: 1}, "isochronous with packets of 1025 bytes"},
		{high, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 512, Mult: 1, Interval: 1}, "2 packets of 512 bytes in a microframe, want at least 513"},
		{high, usb.Endpoint{Type: usb.Interrupt, MaxPacketSize: 682, Mult: 2, Interval: 1}, "3 packets of 682 bytes in a microframe, want at least 683"},
		{high, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 1024, Mult: 3, Interval: 1}, "mult 3"},
		{high, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 1024, MaxBurst: 1, Interval: 1}, "burst 1 at high speed, limits 2 and 0"},
		{high, usb.Endpoint{Type: usb.Isochronous, Interval: 1, Sync: 4}, "synchronisation 4"},
		{high, usb.Endpoint{Type: usb.Isochronous, Interval: 1, Usage: 3}, "usage 3"},
		{high, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 512, Sync: usb.Adaptive}, "bulk with synchronisation or usage"},

		{super, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 512}, "bulk with packets of 512 bytes at super speed"},
		{super, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 1024, MaxBurst: 16}, "burst 16 at super speed, limits 0 and 15"},
		{super, usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 1024, Interval: 1}, "bulk with interval 1 at super speed, want 0 to 0"},
		{super, usb.Endpoint{Type: usb.Interrupt, MaxPacketSize: 1024, MaxBurst: 3, Interval: 1}, "interrupt with mult 0 and burst 3"},
		{super, usb.Endpoint{Type: usb.Interrupt, MaxPacketSize: 1024, MaxBurst: 1, Mult: 1, Interval: 1}, "interrupt with mult 1"},
		{super, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 1000, MaxBurst: 1, Interval: 1}, "burst of packets of 1000 bytes, want 1024"},
		{super, usb.Endpoint{Type: usb.Isochronous, MaxPacketSize: 1024, Mult: 1, Interval: 1}, "mult 1 without a burst"},
		{super, usb.Endpoint{Type: 7, MaxPacketSize: 1024}, "type invalid, want bulk, interrupt or isochronous"},
	}
	for _, test := range tests {
		err := describe(test.speed, test.endpoint)
		if !errors.Is(err, usb.ErrDescriptors) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %+v: %v, want one that says %q", test.speed, test.endpoint, err, test.want)
		}
	}
}

// describe builds a device with e in an alternate setting.
func describe(speed usb.Speed, e usb.Endpoint) error {
	d := streamer(speed, 1)
	e.Address = 0x85
	settings := d.Configurations[0].Interfaces
	settings[1].Endpoints = append(settings[1].Endpoints, e)
	_, err := usb.NewDevice(d, nil)
	return err
}

func TestSuperSpeedDescriptorsThatBreakRules(t *testing.T) {
	for want, spoil := range map[string]func(*usb.Descriptors){
		"power 897 mA at super speed, want 0 to 896": func(d *usb.Descriptors) { d.Configurations[0].MaxPower = 897 },
		"capability of type 2, which a SuperSpeed":   func(d *usb.Descriptors) { d.Capabilities = [][]byte{{7, 16, 2, 2, 0, 0, 0}} },
		"capability of type 3, which a SuperSpeed":   func(d *usb.Descriptors) { d.Capabilities = [][]byte{{10, 16, 3, 0, 8, 0, 3, 0, 0, 0}} },
		"253 device capabilities, want at most 252":  func(d *usb.Descriptors) { d.Capabilities = make([][]byte, 253) },
		"bytes, want at most 65535": func(d *usb.Descriptors) { // with the companions only
			extra := append([]byte{40, 0x24}, make([]byte, 38)...)
			d.Configurations[0].Interfaces[0].Extra = append(extra, bytes.Repeat(append([]byte{200, 0x24}, make([]byte, 198)...), 327)...)
		},
	} {
		d := superExample()
		spoil(&d)
		_, err := usb.NewDevice(d, nil)
		if !errors.Is(err, usb.ErrDescriptors) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one that says %q", err, want)
		}
	}
}

// TestThirtyEndpoints uses all that an address can name, spread over interfaces.
func TestThirtyEndpoints(t *testing.T) {
	for speed, size := range map[usb.Speed]uint16{usb.SpeedFull: 64, usb.SpeedHigh: 512, usb.SpeedSuper: 1024} {
		t.Run(speed.String(), func(t *testing.T) {
			d := usb.Descriptors{Speed: speed, Configurations: []usb.Configuration{{Value: 1}}}
			for n := range uint8(15) {
				out := usb.Endpoint{Address: n + 1, Type: usb.Bulk, MaxPacketSize: size}
				in := out
				in.Address |= usb.DirIn
				c := &d.Configurations[0]
				if n%5 == 0 {
					c.Interfaces = append(c.Interfaces, usb.Interface{Number: n / 5, Class: 0xff, Name: fmt.Sprint("part ", n/5)})
				}
				f := &c.Interfaces[n/5]
				f.Endpoints = append(f.Endpoints, out, in)
			}
			device := newDevice(t, d, nil)
			if _, err := device.Connect(); err != nil {
				t.Fatal(err)
			}
			wantStatus(t, control(device, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
			for n := range uint8(15) {
				written := write(t.Context(), device.In(n+1|usb.DirIn), []byte{n})
				u := usbtest.Do(device, &usb.URB{Endpoint: n + 1 | usb.DirIn, Buffer: make([]byte, size)})
				if err := <-written; err != nil || u.Actual != 1 || u.Buffer[0] != n {
					t.Errorf("endpoint %d: %v, %v, % x", n+1, err, u.Status, u.Buffer[:u.Actual])
				}
				synchronise(t, device.Out(n+1))
				received := read(t.Context(), device.Out(n+1), make([]byte, 8))
				wantStatus(t, usbtest.Do(device, &usb.URB{Endpoint: n + 1, Buffer: []byte{n}}), usb.OK)
				if r := <-received; r.n != 1 || r.err != nil {
					t.Errorf("endpoint %d: %d bytes, %v", n+1, r.n, r.err)
				}
			}
		})
	}
}
