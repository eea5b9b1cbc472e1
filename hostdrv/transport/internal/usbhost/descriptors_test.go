package usbhost

import (
	"errors"
	"testing"

	"usbhsm7/usbip/usb"
)

// configuration is that of a device with an HSM behind a keyboard.
var configuration = []byte{
	9, usb.DescriptorConfiguration, 57, 0, 2, 7, 0, 0x80, 50,
	9, usb.DescriptorInterface, 0, 0, 1, 3, 1, 1, 0,
	7, usb.DescriptorEndpoint, 0x81, 3, 8, 0, 10,
	9, usb.DescriptorInterface, 1, 0, 3, 0xff, 0, 0, 0,
	7, usb.DescriptorEndpoint, 0x02, 2, 0, 2, 0,
	7, usb.DescriptorEndpoint, 0x83, 2, 0, 2, 0,
	7, usb.DescriptorEndpoint, 0x84, 3, 0, 2, 4,
}

func TestChooseReadsDescriptors(t *testing.T) {
	got, ok, err := choose(configuration)
	want := place{configuration: 7, number: 1, out: 0x02, in: 0x83, event: 0x84, packet: 512}
	if err != nil || !ok || got != want {
		t.Errorf("chose %+v, %v, %v; want %+v", got, ok, err, want)
	}
}

func TestChooseRefusesMalformedDescriptors(t *testing.T) {
	tests := map[string][]byte{
		"empty":                       nil,
		"shorter than its header":     configuration[:8],
		"descriptor without a length": append(append([]byte(nil), configuration[:9]...), 0, 4),
		"descriptor past the end":     append(append([]byte(nil), configuration[:9]...), 9, 4, 0),
	}
	for name, bytes := range tests {
		if _, ok, err := choose(bytes); ok || !errors.Is(err, errMalformed) {
			t.Errorf("%s: found %v, error %v, want %v", name, ok, err, errMalformed)
		}
	}
}

func TestChooseFindsNothingInHalfAnInterface(t *testing.T) {
	for size := 9; size < len(configuration); size++ {
		if _, ok, _ := choose(configuration[:size]); ok {
			t.Errorf("found an HSM in the first %d bytes", size)
		}
	}
}

func FuzzChoose(f *testing.F) {
	f.Add(configuration)
	f.Add(configuration[:20])
	f.Fuzz(func(t *testing.T, descriptor []byte) {
		p, ok, err := choose(descriptor)
		if ok && (err != nil || !p.complete() || p.packet == 0) {
			t.Errorf("chose %+v with error %v", p, err)
		}
	})
}

func TestPlausibleNeedsAVendorInterfaceOrNoKnowledge(t *testing.T) {
	vendor, keyboard := usb.InterfaceClass{Class: 0xff}, usb.InterfaceClass{Class: 3}
	tests := []struct {
		name string
		id   usb.Identity
		want bool
	}{
		{"vendor interface", usb.Identity{Interfaces: []usb.InterfaceClass{keyboard, vendor}}, true},
		{"other interfaces", usb.Identity{Interfaces: []usb.InterfaceClass{keyboard}}, false},
		{"nothing known", usb.Identity{}, true},
		{"nothing known but a hub", usb.Identity{Class: 9}, false},
	}
	for _, test := range tests {
		if got := Plausible(test.id); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
