package usb_test

import (
	"bytes"
	"testing"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
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
		wantStatus(t, usbtest.Do(d, &usb.URB{Endpoint: bulkOut, Buffer: pattern(n)}), usb.OK)
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
	u := usbtest.Do(d, isoURB(isoIn, 48<<10))
	if u.Status != usb.OK || u.Actual != 48<<10 || !bytes.Equal(u.Buffer, data) {
		t.Errorf("%v, %d bytes; want 48 KiB", u.Status, u.Actual)
	}
}

// superRequests are requests to a SuperSpeed device, in order, and what becomes
// of them: nil stalls, otherwise the data stage.
var superRequests = []struct {
	name  string
	setup usb.Setup
	want  []byte
}{
	{"exit latencies before the configuration", usb.Setup{Request: usb.SetSEL, Length: 6}, []byte{}},
	{"exit latencies of another length", usb.Setup{Request: usb.SetSEL, Length: 5}, nil},
	{"exit latencies with a value", usb.Setup{Request: usb.SetSEL, Value: 1, Length: 6}, nil},
	{"isochronous delay", usb.Setup{Request: usb.SetIsochDelay, Value: 0xffff}, []byte{}},
	{"isochronous delay with data", usb.Setup{Request: usb.SetIsochDelay, Length: 2}, nil},
	{"U1 of an unconfigured device", set(usb.RecipientDevice, usb.FeatureU1Enable, 0), nil},
	{"function suspend of an unconfigured device", set(usb.RecipientInterface, usb.FeatureFunctionSuspend, 0), nil},
	{"configuration", usb.Setup{Request: usb.SetConfiguration, Value: 1}, []byte{}},

	{"status of the device at first", status(usb.RecipientDevice, 0), []byte{0, 0}},
	{"U1", set(usb.RecipientDevice, usb.FeatureU1Enable, 0), []byte{}},
	{"status with U1", status(usb.RecipientDevice, 0), []byte{0x04, 0}},
	{"U2", set(usb.RecipientDevice, usb.FeatureU2Enable, 0), []byte{}},
	{"LTM", set(usb.RecipientDevice, usb.FeatureLTMEnable, 0), []byte{}},
	{"status with all", status(usb.RecipientDevice, 0), []byte{0x1c, 0}},
	{"no U1", unset(usb.RecipientDevice, usb.FeatureU1Enable, 0), []byte{}},
	{"status without U1", status(usb.RecipientDevice, 0), []byte{0x18, 0}},
	{"remote wakeup of the device", set(usb.RecipientDevice, usb.FeatureRemoteWakeup, 0), nil},

	{"status of a function that can wake the host", status(usb.RecipientInterface, 1), []byte{1, 0}},
	{"function suspend with remote wake", set(usb.RecipientInterface, usb.FeatureFunctionSuspend, 0x0301), []byte{}},
	{"status of a function that may wake the host", status(usb.RecipientInterface, 1), []byte{3, 0}},
	{"status of the other one", status(usb.RecipientInterface, 0), []byte{1, 0}},
	{"function suspend alone", set(usb.RecipientInterface, usb.FeatureFunctionSuspend, 0x0101), []byte{}},
	{"status after that", status(usb.RecipientInterface, 1), []byte{1, 0}},
	{"remote wake again", set(usb.RecipientInterface, usb.FeatureFunctionSuspend, 0x0201), []byte{}},
	{"end of the suspension", unset(usb.RecipientInterface, usb.FeatureFunctionSuspend, 1), []byte{}},
	{"status at last", status(usb.RecipientInterface, 1), []byte{1, 0}},
	{"an interface that is not there", set(usb.RecipientInterface, usb.FeatureFunctionSuspend, 2), nil},
	{"another feature of an interface", set(usb.RecipientInterface, 1, 0), nil},

	{"the other configuration", usb.Setup{Request: usb.SetConfiguration, Value: 7}, []byte{}},
	{"features stay", status(usb.RecipientDevice, 0), []byte{0x19, 0}},
	{"remote wake of a function that cannot", set(usb.RecipientInterface, usb.FeatureFunctionSuspend, 0x0200), nil},
	{"status of a function that cannot", status(usb.RecipientInterface, 0), []byte{0, 0}},
}

func set(recipient uint8, feature, index uint16) usb.Setup {
	return usb.Setup{RequestType: recipient, Request: usb.SetFeature, Value: feature, Index: index}
}

func unset(recipient uint8, feature, index uint16) usb.Setup {
	return usb.Setup{RequestType: recipient, Request: usb.ClearFeature, Value: feature, Index: index}
}

func status(recipient uint8, index uint16) usb.Setup {
	return usb.Setup{RequestType: usb.DirIn | recipient, Request: usb.GetStatus, Index: index, Length: 2}
}

func TestSuperSpeedRequests(t *testing.T) {
	d := newDevice(t, superExample(), nil)
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	for _, row := range superRequests {
		u := control(d, row.setup, make([]byte, row.setup.Length))
		switch {
		case row.want == nil && u.Status != usb.EPIPE:
			t.Errorf("%s: %v, want a stall", row.name, u.Status)
		case row.want != nil && u.Status != usb.OK:
			t.Errorf("%s: %v", row.name, u.Status)
		case row.want != nil && row.setup.In() && !bytes.Equal(u.Buffer[:u.Actual], row.want):
			t.Errorf("%s: % x, want % x", row.name, u.Buffer[:u.Actual], row.want)
		}
	}
	d.Disconnect()
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	if u := control(d, status(usb.RecipientDevice, 0), nil); u.Buffer[0] != 0 {
		t.Errorf("status % x for the next host, want that features are off", u.Buffer)
	}
}

// TestSuperSpeedRequestsAreUnknownAtHighSpeed runs the rows that have no
// counterpart there.
func TestSuperSpeedRequestsAreUnknownAtHighSpeed(t *testing.T) {
	d := connected(t, nil)
	for _, s := range []usb.Setup{
		{Request: usb.SetSEL, Length: 6},
		{Request: usb.SetIsochDelay},
		set(usb.RecipientDevice, usb.FeatureU1Enable, 0),
		set(usb.RecipientDevice, usb.FeatureU2Enable, 0),
		set(usb.RecipientDevice, usb.FeatureLTMEnable, 0),
		set(usb.RecipientInterface, usb.FeatureFunctionSuspend, 0),
		unset(usb.RecipientInterface, usb.FeatureFunctionSuspend, 0),
	} {
		wantStatus(t, control(d, s, make([]byte, s.Length)), usb.EPIPE)
	}
	if u := control(d, status(usb.RecipientInterface, 0), nil); u.Buffer[0] != 0 {
		t.Errorf("status of an interface % x, want nothing", u.Buffer)
	}
}
