package usb_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestOneHostAtATime(t *testing.T) {
	d := newDevice(t, example(), nil)
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Connect(); !errors.Is(err, usb.ErrBusy) {
		t.Errorf("second host: %v, want %v", err, usb.ErrBusy)
	}
	d.Disconnect()
	d.Disconnect()
	if _, err := d.Connect(); err != nil {
		t.Errorf("after the first left: %v", err)
	}
}

func TestWithoutAHostURBsEndWithENODEV(t *testing.T) {
	d := newDevice(t, example(), nil)
	wantStatus(t, usbtest.Do(d, &usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}}), usb.ENODEV)
	wantStatus(t, usbtest.Do(d, inURB(512)), usb.ENODEV)
}

func TestHostThatLeavesGetsItsURBsBack(t *testing.T) {
	d := connected(t, nil)
	u, v := inURB(512), outURB(pattern(5), 0)
	inDone, outDone := usbtest.Start(d, u), usbtest.Start(d, v)
	d.Disconnect()
	<-inDone
	<-outDone
	wantStatus(t, u, usb.ESHUTDOWN)
	wantStatus(t, v, usb.ESHUTDOWN)
}

func TestUnplugAndPlug(t *testing.T) {
	d := newDevice(t, example(), nil)
	gone, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
	u := inURB(512)
	done := usbtest.Start(d, u)
	d.Unplug()
	d.Unplug()
	<-gone
	<-done
	wantStatus(t, u, usb.ESHUTDOWN)
	wantStatus(t, usbtest.Do(d, inURB(512)), usb.ENODEV)
	if !d.Identity().Unplugged {
		t.Error("the identity does not tell that the device is unplugged")
	}
	d.Plug()
	wantStatus(t, usbtest.Do(d, inURB(512)), usb.ENODEV) // the host of before has to come again
	if _, err := d.Connect(); !errors.Is(err, usb.ErrBusy) {
		t.Errorf("before the old host has left: %v, want %v", err, usb.ErrBusy)
	}
	d.Disconnect()
	gone, err = d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if !pending(gone) {
		t.Error("the device is gone after Plug")
	}
	d.Disconnect()
	d.Unplug()
	if _, err := d.Connect(); !errors.Is(err, usb.ErrNoDevice) {
		t.Errorf("unplugged: %v, want %v", err, usb.ErrNoDevice)
	}
}

func TestUnknownEndpointsStall(t *testing.T) {
	d := connected(t, nil)
	for _, address := range []uint8{0x02, 0x83, 0x8f, 0x0f, 0x71} {
		u := usbtest.Do(d, &usb.URB{Endpoint: address, Buffer: make([]byte, 8)})
		if wantStatus(t, u, usb.EPIPE); u.Actual != 0 {
			t.Errorf("endpoint %02x moved %d bytes", address, u.Actual)
		}
	}
	wantStatus(t, usbtest.Do(d, &usb.URB{Endpoint: bulkIn, Packets: make([]usb.IsoPacket, 1)}), usb.EINVAL)
	if d.In(bulkOut) != nil || d.Out(bulkIn) != nil || d.In(0x8e) != nil {
		t.Error("an endpoint of the wrong direction or number exists")
	}
}

func TestDoneMaySubmitAgain(t *testing.T) {
	d := connected(t, nil)
	const times = 100
	n, inside := 0, false
	finished := make(chan struct{})
	u := &usb.URB{Endpoint: in, Buffer: make([]byte, 1), Setup: usb.Setup{RequestType: in, Request: usb.GetConfiguration, Length: 1}}
	u.Done = func(u *usb.URB) {
		if inside {
			t.Error("a Done runs inside another")
		}
		inside = true
		defer func() { inside = false }()
		if n++; n == times {
			close(finished)
			return
		}
		d.Submit(u)
	}
	d.Submit(u)
	<-finished
}

func TestCancelLeavesAFinishedURBAlone(t *testing.T) {
	d := connected(t, nil)
	second := inURB(512)
	secondDone := make(chan struct{})
	second.Done = func(*usb.URB) { close(secondDone) }
	d.Submit(&usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 512), Done: func(*usb.URB) {
		d.Cancel(second) // finished, and about to be told
	}})
	d.Submit(second)
	if err := d.In(bulkIn).Write(t.Context(), pattern(600)); err != nil {
		t.Fatal(err)
	}
	<-secondDone
	if wantStatus(t, second, usb.OK); second.Actual != 88 {
		t.Errorf("%d bytes, want 88", second.Actual)
	}
	d.Cancel(second)
}

func TestCompleteNeverExceedsTheBuffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := &usb.URB{
			Endpoint: rapid.SampledFrom([]uint8{0, 1, 0x80, 0x81}).Draw(t, "endpoint"),
			Buffer:   make([]byte, rapid.IntRange(0, 100).Draw(t, "room")),
			Flags:    usb.TransferFlags(rapid.Uint32().Draw(t, "flags")),
			Done:     func(*usb.URB) {},
		}
		actual, status := rapid.Int().Draw(t, "actual"), usb.Status(rapid.Int32().Draw(t, "status"))
		u.Complete(actual, status)
		if u.Actual < 0 || u.Actual > len(u.Buffer) {
			t.Fatalf("Actual %d with %d bytes of room", u.Actual, len(u.Buffer))
		}
		if u.Status > 0 {
			t.Fatalf("positive status %d", u.Status)
		}
		short := u.In() && u.Flags&usb.ShortNotOK != 0 && u.Actual < len(u.Buffer)
		if status == usb.OK && short != (u.Status == usb.EREMOTEIO) {
			t.Fatalf("%v for %d of %d bytes with flags %x", u.Status, u.Actual, len(u.Buffer), u.Flags)
		}
	})
}

// TestAnyCutOfATransferArrivesWhole sends random transfers as random URBs, and
// back into URBs of random size.
func TestAnyCutOfATransferArrivesWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := connected(t, nil)
		synchronise(t, d.Out(bulkOut))
		size := rapid.IntRange(0, 5000).Draw(r, "size")
		data := pattern(size)

		for rest := data; ; {
			packets := rapid.IntRange(1, 4).Draw(r, "packets")
			n := min(len(rest), packets*512)
			usbtest.Start(d, outURB(rest[:n], 0))
			rest = rest[n:]
			if n%512 != 0 || n == 0 {
				break
			}
		}
		p := make([]byte, 6000)
		n, err := d.Out(bulkOut).Read(t.Context(), p)
		if n != size || err != nil {
			r.Fatalf("read %d bytes, %v; want %d", n, err, size)
		}

		var urbs []*usb.URB
		for range size/512 + 1 {
			u := inURB(512 * rapid.IntRange(1, 4).Draw(r, "room"))
			usbtest.Start(d, u)
			urbs = append(urbs, u)
		}
		if err := d.In(bulkIn).Write(t.Context(), p[:n]); err != nil {
			r.Fatal(err)
		}
		var back []byte
		for _, u := range urbs {
			back = append(back, u.Buffer[:u.Actual]...)
		}
		if string(back) != string(data) {
			r.Fatalf("%d bytes came back, sent %d", len(back), size)
		}
	})
}

func TestDescriptorsThatBreakRules(t *testing.T) {
	endpoint := func(e usb.Endpoint) func(*usb.Descriptors) {
		return func(d *usb.Descriptors) { d.Configurations[0].Interfaces[0].Endpoints[0] = e }
	}
	tests := []struct {
		want  string
		spoil func(*usb.Descriptors)
	}{
		{"low speed has no bulk", func(d *usb.Descriptors) { d.Speed = usb.SpeedLow }},
		{"speed super-plus is not supported", func(d *usb.Descriptors) { d.Speed = usb.SpeedSuperPlus }},
		{"0 configurations", func(d *usb.Descriptors) { d.Configurations = nil }},
		{"configuration value 0", func(d *usb.Descriptors) { d.Configurations[0].Value = 0 }},
		{"used twice", func(d *usb.Descriptors) { d.Configurations[1].Value = 1 }},
		{"power 501 mA", func(d *usb.Descriptors) { d.Configurations[0].MaxPower = 501 }},
		{"127 UTF-16 units", func(d *usb.Descriptors) { d.Serial = strings.Repeat("x", 127) }},
		{"out of order", func(d *usb.Descriptors) { d.Configurations[0].Interfaces[0].Number = 1 }},
		{"out of order", func(d *usb.Descriptors) { d.Configurations[0].Interfaces[2].Alternate = 2 }},
		{"malformed class-specific descriptor", func(d *usb.Descriptors) { d.Configurations[0].Interfaces[0].Extra = []byte{9, 0x21} }},
		{"malformed class-specific descriptor", func(d *usb.Descriptors) { d.Configurations[0].Interfaces[0].Extra = []byte{0, 0x21} }},
		{"malformed device capability", func(d *usb.Descriptors) { d.Capabilities = [][]byte{{4, 16, 2}} }},
		{"compatible ID", func(d *usb.Descriptors) { d.Microsoft.CompatibleID = "TOOLONGID" }},
		{"interface GUID", func(d *usb.Descriptors) { d.Microsoft.InterfaceGUID = "{}" }},
		{"endpoint address 00", endpoint(usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 512})},
		{"endpoint address 11", endpoint(usb.Endpoint{Address: 0x11, Type: usb.Bulk, MaxPacketSize: 512})},
		{"endpoint 81 is used twice", endpoint(usb.Endpoint{Address: 0x81, Type: usb.Bulk, MaxPacketSize: 512})},
		{"packets of 64 bytes", endpoint(usb.Endpoint{Address: 1, Type: usb.Bulk, MaxPacketSize: 64})},
		{"isochronous with packets of 512 bytes in alternate setting 0", endpoint(usb.Endpoint{Address: 1, Type: usb.Isochronous, MaxPacketSize: 512, Interval: 1})},
		{"type control", endpoint(usb.Endpoint{Address: 1, Type: usb.Control, MaxPacketSize: 64})},
		{"interval 0", endpoint(usb.Endpoint{Address: 1, Type: usb.Interrupt, MaxPacketSize: 64})},
		{"interval 17", endpoint(usb.Endpoint{Address: 1, Type: usb.Interrupt, MaxPacketSize: 64, Interval: 17})},
		{"packets of 512 bytes at full speed", func(d *usb.Descriptors) { d.Speed = usb.SpeedFull }},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			d := example()
			test.spoil(&d)
			_, err := usb.NewDevice(d, nil)
			if !errors.Is(err, usb.ErrDescriptors) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want one that says %q", err, test.want)
			}
		})
	}
}

func FuzzSetup(f *testing.F) {
	f.Add([]byte{0x80, 6, 0, 1, 0, 0, 18, 0}, []byte{})
	f.Add([]byte{0x00, 9, 1, 0, 0, 0, 0, 0}, []byte{})
	f.Add([]byte{0x02, 3, 0, 0, 0x81, 0, 0, 0}, []byte{1, 2, 3})
	f.Add([]byte{0xc0, 0x20, 0, 0, 7, 0, 0xff, 0xff}, []byte{})
	f.Add([]byte{0, 9, 1, 0, 0, 0, 0, 0, 1, 3, 0, 0, 1, 3, 0, 0, 0x81, 0, 0, 0, 1, 0, 2, 0}, []byte{0, 0}) // SuperSpeed
	f.Add([]byte{0, 9, 1, 0, 0, 0, 0, 0, 1, 11, 2, 0, 1, 0, 0, 0, 2, 3, 0, 0, 0x84, 0, 0, 0}, []byte{0})   // isochronous
	devices := []usb.Descriptors{example(), isoExample(), superExample()}
	f.Fuzz(func(t *testing.T, requests, data []byte) {
		d := newDevice(t, devices[len(data)%len(devices)], nil)
		if _, err := d.Connect(); err != nil {
			t.Fatal(err)
		}
		for ; len(requests) >= 8; requests = requests[8:] {
			s := usb.ParseSetup([8]byte(requests))
			if got := s.Bytes(); string(got[:]) != string(requests[:8]) {
				t.Fatalf("%v encodes as % x", s, got)
			}
			u := usbtest.Do(d, &usb.URB{Endpoint: s.RequestType & in, Setup: s, Buffer: data})
			if u.Actual > min(len(data), int(s.Length)) {
				t.Fatalf("%v moved %d bytes into %d", s, u.Actual, len(data))
			}
		}
		control(d, usb.Setup{Request: usb.SetConfiguration}, nil)
		wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
	})
}
