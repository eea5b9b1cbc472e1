package usb_test

import (
	"bytes"
	"testing"

	"usbhsm7/usbip/usb"
)

// superExample is a SuperSpeed device with endpoints of every type.
func superExample() usb.Descriptors {
	d := example()
	d.Speed = usb.SpeedSuper
	d.Configurations[0].MaxPower = 150
	first := usb.Interface{Class: 0xff, Name: "Example", Endpoints: []usb.Endpoint{
		{Address: bulkOut, Type: usb.Bulk, MaxPacketSize: 1024, MaxBurst: 15},
		{Address: bulkIn, Type: usb.Bulk, MaxPacketSize: 1024},
		{Address: interruptIn, Type: usb.Interrupt, MaxPacketSize: 64, Interval: 4},
	}}
	d.Configurations[0].Interfaces[0] = first
	d.Configurations[1].Interfaces = []usb.Interface{first}
	d.Configurations[0].Interfaces[2].Endpoints = []usb.Endpoint{
		{Address: secondIn, Type: usb.Interrupt, MaxPacketSize: 1024, MaxBurst: 2, Interval: 1},
		{Address: isoOut, Type: usb.Isochronous, MaxPacketSize: 200, Interval: 1},
		{Address: isoIn, Type: usb.Isochronous, MaxPacketSize: 1024, MaxBurst: 15, Mult: 2, Interval: 1, Usage: usb.ImplicitFeedback},
	}
	return d
}

func superConnected(t testing.TB) *usb.Device {
	t.Helper()
	d := newDevice(t, superExample(), nil)
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
	return d
}

func TestSuperSpeedTransfersArePacketsOf1024(t *testing.T) {
	d := superConnected(t)
	synchronise(t, d.Out(bulkOut))
	read := read(t.Context(), d.Out(bulkOut), make([]byte, 4096))
	for _, n := range []int{1024, 512} { // 512 is short here
		wantStatus(t, do(d, &usb.URB{Endpoint: bulkOut, Buffer: pattern(n)}), usb.OK)
	}
	if got := <-read; got.n != 1536 || got.err != nil {
		t.Errorf("%d bytes, %v; want 1536", got.n, got.err)
	}
}

func TestSuperSpeedIsochronousPacketIsBurstTimesMult(t *testing.T) {
	d := superConnected(t)
	wantStatus(t, setAlternate(d, 1, 1), usb.OK)
	data := pattern(48 << 10)
	if err := d.Source(isoIn, func(room int) []byte { return data[:room] }); err != nil {
		t.Fatal(err)
	}
	u := do(d, isoURB(isoIn, 48<<10))
	if u.Status != usb.OK || u.Actual != 48<<10 || !bytes.Equal(u.Buffer, data) {
		t.Errorf("%v, %d bytes; want 48 KiB", u.Status, u.Actual)
	}
}
