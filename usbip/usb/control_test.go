package usb_test

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

const (
	in          = usb.DirIn
	onInterface = usb.RecipientInterface
	onEndpoint  = usb.RecipientEndpoint
)

func TestStandardRequestsThatStall(t *testing.T) {
	configured, unconfigured := true, false
	tests := []struct {
		name       string
		configured bool
		setup      usb.Setup
	}{
		{"unknown configuration", unconfigured, usb.Setup{Request: usb.SetConfiguration, Value: 2}},
		{"configuration beyond a byte", unconfigured, usb.Setup{Request: usb.SetConfiguration, Value: 0x0101}},
		{"interface before configuration", unconfigured, usb.Setup{RequestType: in | onInterface, Request: usb.GetInterface, Length: 1}},
		{"alternate before configuration", unconfigured, usb.Setup{RequestType: onInterface, Request: usb.SetInterface}},
		{"interface status before configuration", unconfigured, usb.Setup{RequestType: in | onInterface, Request: usb.GetStatus, Length: 2}},
		{"endpoint status before configuration", unconfigured, usb.Setup{RequestType: in | onEndpoint, Request: usb.GetStatus, Index: bulkIn, Length: 2}},
		{"unknown interface", configured, usb.Setup{RequestType: in | onInterface, Request: usb.GetInterface, Index: 2, Length: 1}},
		{"unknown alternate", configured, usb.Setup{RequestType: onInterface, Request: usb.SetInterface, Value: 2, Index: 1}},
		{"endpoint of another alternate", configured, usb.Setup{RequestType: in | onEndpoint, Request: usb.GetStatus, Index: secondIn, Length: 2}},
		{"endpoint beyond a byte", configured, usb.Setup{RequestType: in | onEndpoint, Request: usb.GetStatus, Index: 0x100 | bulkIn, Length: 2}},
		{"halt of an unknown endpoint", configured, usb.Setup{RequestType: onEndpoint, Request: usb.SetFeature, Index: 5}},
		{"unknown endpoint feature", configured, usb.Setup{RequestType: onEndpoint, Request: usb.SetFeature, Value: 1, Index: bulkIn}},
		{"test mode", configured, usb.Setup{Request: usb.SetFeature, Value: usb.FeatureTestMode, Index: 0x0100}},
		{"remote wakeup before configuration", unconfigured, usb.Setup{Request: usb.SetFeature, Value: usb.FeatureRemoteWakeup}},
		{"address beyond 127", unconfigured, usb.Setup{Request: usb.SetAddress, Value: 128}},
		{"set descriptor", configured, usb.Setup{Request: usb.SetDescriptor, Value: 0x0100, Length: 18}},
		{"synch frame", configured, usb.Setup{RequestType: in | onEndpoint, Request: usb.SynchFrame, Index: bulkIn, Length: 2}},
		{"vendor request without a handler", configured, usb.Setup{RequestType: in | usb.TypeVendor, Request: 1, Length: 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDevice(t, example(), nil)
			if _, err := d.Connect(); err != nil {
				t.Fatal(err)
			}
			if test.configured {
				wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
			}
			u := control(d, test.setup, make([]byte, test.setup.Length))
			wantStatus(t, u, usb.EPIPE)
			if u.Actual != 0 {
				t.Errorf("%d bytes moved", u.Actual)
			}
			wantStatus(t, control(d, usb.Setup{RequestType: in, Request: usb.GetConfiguration, Length: 1}, nil), usb.OK)
		})
	}
}

func TestRemoteWakeupShowsInStatus(t *testing.T) {
	d := connected(t, nil)
	status := usb.Setup{RequestType: in, Request: usb.GetStatus, Length: 2}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetFeature, Value: usb.FeatureRemoteWakeup}, nil), usb.OK)
	if got := control(d, status, nil).Buffer; got[0] != 2 {
		t.Errorf("status %x with remote wakeup, want 2", got)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.ClearFeature, Value: usb.FeatureRemoteWakeup}, nil), usb.OK)
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 7}, nil), usb.OK)
	if got := control(d, status, nil).Buffer; got[0] != 1 {
		t.Errorf("status %x of a self-powered configuration, want 1", got)
	}
}

func TestAlternateSettingDecidesWhichEndpointsExist(t *testing.T) {
	d := connected(t, nil)
	get := usb.Setup{RequestType: in | onInterface, Request: usb.GetInterface, Index: 1, Length: 1}
	poll := func() *usb.URB { return &usb.URB{Endpoint: secondIn, Buffer: make([]byte, 8)} }
	wantStatus(t, usbtest.Do(d, poll()), usb.EPIPE)

	wantStatus(t, control(d, usb.Setup{RequestType: onInterface, Request: usb.SetInterface, Value: 1, Index: 1}, nil), usb.OK)
	if got := control(d, get, nil).Buffer[0]; got != 1 {
		t.Errorf("alternate setting %d, want 1", got)
	}
	u := poll()
	done := usbtest.Start(d, u)
	if !pending(done) {
		t.Fatal("an idle endpoint answered")
	}
	wantStatus(t, control(d, usb.Setup{RequestType: onInterface, Request: usb.SetInterface, Index: 1}, nil), usb.OK)
	<-done
	wantStatus(t, u, usb.ESHUTDOWN)
}

func TestIdentityFollowsTheConfiguration(t *testing.T) {
	d := newDevice(t, example(), nil)
	id := d.Identity()
	if id.Configuration != 0 || id.Configurations != 2 || len(id.Interfaces) != 2 || id.Unplugged {
		t.Errorf("before configuration: %+v", id)
	}
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 7}, nil), usb.OK)
	id = d.Identity()
	if id.Configuration != 7 || len(id.Interfaces) != 1 || id.Interfaces[0].Class != 0xff {
		t.Errorf("in configuration 7: %+v", id)
	}
	d.Disconnect()
	if id := d.Identity(); id.Configuration != 0 {
		t.Errorf("configuration %d survives the host", id.Configuration)
	}
}

func TestHandlerGetsClassAndVendorRequests(t *testing.T) {
	var stored []byte
	handler := usb.HandlerFunc(func(s usb.Setup, data []byte) ([]byte, error) {
		switch s.Request {
		case 0x5b:
			stored = bytes.Clone(data)
			return nil, nil
		case 0x5c:
			return stored, nil
		case 0x01:
			return nil, usb.EPROTO
		}
		return nil, errors.New("unknown request")
	})
	d := connected(t, handler)
	vendorOut := usb.Setup{RequestType: usb.TypeVendor, Request: 0x5b, Length: 100}
	vendorIn := usb.Setup{RequestType: in | usb.TypeVendor, Request: 0x5c, Length: 200}

	u := control(d, vendorOut, pattern(100))
	wantStatus(t, u, usb.OK)
	if u.Actual != 100 {
		t.Errorf("OUT moved %d bytes, want 100", u.Actual)
	}
	u = control(d, vendorIn, nil)
	if wantStatus(t, u, usb.OK); !bytes.Equal(u.Buffer[:u.Actual], pattern(100)) {
		t.Errorf("read back % x", u.Buffer[:u.Actual])
	}
	vendorIn.Length = 10
	if u = control(d, vendorIn, nil); u.Status != usb.OK || u.Actual != 10 {
		t.Errorf("answer longer than wLength: %v, %d bytes, want 10", u.Status, u.Actual)
	}
	wantStatus(t, control(d, usb.Setup{RequestType: usb.TypeVendor, Request: 0x01}, nil), usb.EPROTO)
	wantStatus(t, control(d, usb.Setup{RequestType: usb.TypeClass, Request: 0x7f}, nil), usb.EPIPE)
}

func TestHandlerMayUseTheDevice(t *testing.T) {
	var d *usb.Device
	d = connected(t, usb.HandlerFunc(func(usb.Setup, []byte) ([]byte, error) {
		d.In(bulkIn).Halt()
		return []byte{d.Identity().Configuration}, nil
	}))
	u := control(d, usb.Setup{RequestType: in | usb.TypeVendor, Length: 1}, nil)
	if wantStatus(t, u, usb.OK); u.Buffer[0] != 1 {
		t.Errorf("answer %d, want 1", u.Buffer[0])
	}
	wantStatus(t, usbtest.Do(d, &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 512)}), usb.EPIPE)
}

func TestControlRequestsRunOneAtATime(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	running := 0
	d := connected(t, usb.HandlerFunc(func(usb.Setup, []byte) ([]byte, error) {
		if running++; running != 1 {
			t.Error("two requests at a time")
		}
		entered <- struct{}{}
		<-leave
		running--
		return nil, nil
	}))
	request := func() *usb.URB { return &usb.URB{Setup: usb.Setup{RequestType: usb.TypeVendor}} }
	first, second, third := request(), request(), request()
	firstDone := make(chan (<-chan struct{}))
	go func() { firstDone <- usbtest.Start(d, first) }()
	<-entered
	secondDone, thirdDone := usbtest.Start(d, second), usbtest.Start(d, third)
	if !pending(secondDone) || !pending(thirdDone) {
		t.Fatal("a request overtook another")
	}
	d.Cancel(second)
	<-secondDone
	wantStatus(t, second, usb.ECONNRESET)
	d.Cancel(first) // too late: it is being carried out

	leave <- struct{}{}
	<-entered
	leave <- struct{}{}
	<-<-firstDone
	<-thirdDone
	wantStatus(t, first, usb.OK)
	wantStatus(t, third, usb.OK)
}

func TestControlPipeWhoseDirectionContradictsTheSetupStalls(t *testing.T) {
	d := connected(t, nil)
	device := usb.Setup{RequestType: in, Request: usb.GetDescriptor, Value: 0x0100, Length: 18}
	wantStatus(t, usbtest.Do(d, &usb.URB{Endpoint: 0x00, Setup: device, Buffer: make([]byte, 18)}), usb.EPIPE)
	noData := usb.Setup{RequestType: in, Request: usb.GetConfiguration}
	wantStatus(t, usbtest.Do(d, &usb.URB{Endpoint: 0x00, Setup: noData}), usb.OK)
}

func TestPortResetKeepsTheConfiguration(t *testing.T) {
	d := connected(t, nil)
	u := &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 512)}
	done := usbtest.Start(d, u)
	d.Out(bulkOut).Halt()
	portReset := usb.Setup{RequestType: 0x23, Request: usb.SetFeature, Value: usb.FeaturePortReset}
	wantStatus(t, control(d, portReset, nil), usb.OK)
	<-done
	wantStatus(t, u, usb.ESHUTDOWN)
	if id := d.Identity(); id.Configuration != 1 {
		t.Errorf("configuration %d after a reset of the port, want 1", id.Configuration)
	}
	halt := usb.Setup{RequestType: in | onEndpoint, Request: usb.GetStatus, Index: bulkOut, Length: 2}
	if got := control(d, halt, nil).Buffer[0]; got != 0 {
		t.Error("the halt survives a reset of the port")
	}
}

func TestFullSpeedDeviceHasNoOtherSpeed(t *testing.T) {
	descriptors := usb.Descriptors{Speed: usb.SpeedFull, Configurations: []usb.Configuration{{Value: 1}}}
	d := newDevice(t, descriptors, nil)
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []uint16{usb.DescriptorQualifier, usb.DescriptorOtherSpeed, usb.DescriptorBOS} {
		wantStatus(t, control(d, usb.Setup{RequestType: in, Request: usb.GetDescriptor, Value: kind << 8, Length: 10}, nil), usb.EPIPE)
	}
	device := control(d, usb.Setup{RequestType: in, Request: usb.GetDescriptor, Value: 0x0100, Length: 18}, nil)
	if got := device.Buffer[3]; got != 0x02 || device.Buffer[2] != 0 {
		t.Errorf("bcdUSB %02x%02x without a BOS descriptor, want 0200", got, device.Buffer[2])
	}
}

// TestMicrosoftDescriptorOfASingleFunction: without other functions the features
// belong to the device, with no subsets between.
func TestMicrosoftDescriptorOfASingleFunction(t *testing.T) {
	descriptors := example()
	descriptors.Configurations = descriptors.Configurations[1:]
	d := newDevice(t, descriptors, nil)
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	u := control(d, usb.Setup{RequestType: 0xc0, Request: 0x20, Index: 7, Length: 0x200}, nil)
	wantStatus(t, u, usb.OK)
	const header, compatibleID, property = 10, 20, 132
	set := u.Buffer[:u.Actual]
	if len(set) != header+compatibleID+property || int(set[8]) != len(set) || set[header+2] != 3 || set[header+compatibleID+2] != 4 {
		t.Errorf("descriptor set % x", set)
	}
	bos := control(d, usb.Setup{RequestType: 0x80, Request: usb.GetDescriptor, Value: 0x0f00, Length: 64}, nil)
	if got := int(bos.Buffer[29]); got != len(set) {
		t.Errorf("the BOS descriptor says %d bytes, the set has %d", got, len(set))
	}
}
