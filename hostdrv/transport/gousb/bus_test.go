//go:build cgo

package gousb

import (
	"errors"
	"fmt"
	"testing"

	libusb "github.com/google/gousb"

	"usbhsm7/hostdrv/transport"
)

// setting returns a vendor interface with the endpoints given.
func setting(class libusb.Class, endpoints ...libusb.EndpointDesc) libusb.InterfaceSetting {
	s := libusb.InterfaceSetting{Class: class, Endpoints: map[libusb.EndpointAddress]libusb.EndpointDesc{}}
	for _, e := range endpoints {
		s.Endpoints[e.Address] = e
	}
	return s
}

func endpoint(address libusb.EndpointAddress, kind libusb.TransferType) libusb.EndpointDesc {
	return libusb.EndpointDesc{
		Address: address, Number: int(address & 0x0f), Direction: libusb.EndpointDirection(address&0x80 != 0),
		TransferType: kind, MaxPacketSize: 512,
	}
}

func deviceWith(settings ...libusb.InterfaceSetting) *libusb.DeviceDesc {
	config := libusb.ConfigDesc{Number: 1}
	for i, s := range settings {
		s.Number = i
		config.Interfaces = append(config.Interfaces, libusb.InterfaceDesc{Number: i, AltSettings: []libusb.InterfaceSetting{s}})
	}
	return &libusb.DeviceDesc{Configs: map[int]libusb.ConfigDesc{1: config}}
}

func TestChooseFindsTheInterfaceFromItsDescriptors(t *testing.T) {
	const bulk, interrupt = libusb.TransferTypeBulk, libusb.TransferTypeInterrupt
	hsm := setting(libusb.ClassVendorSpec, endpoint(0x03, bulk), endpoint(0x85, bulk), endpoint(0x81, interrupt))
	tests := []struct {
		name   string
		device *libusb.DeviceDesc
		number int
		found  bool
	}{
		{"only interface", deviceWith(hsm), 0, true},
		{"second interface", deviceWith(setting(libusb.ClassHID, endpoint(0x81, interrupt)), hsm), 1, true},
		{"other class", deviceWith(setting(libusb.ClassMassStorage, endpoint(0x03, bulk), endpoint(0x85, bulk), endpoint(0x81, interrupt))), 0, false},
		{"no interrupt endpoint", deviceWith(setting(libusb.ClassVendorSpec, endpoint(0x03, bulk), endpoint(0x85, bulk))), 0, false},
		{"no bulk OUT endpoint", deviceWith(setting(libusb.ClassVendorSpec, endpoint(0x85, bulk), endpoint(0x81, interrupt))), 0, false},
		{"no configuration", &libusb.DeviceDesc{}, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := choose(test.device)
			if ok != test.found {
				t.Fatalf("found = %v, want %v", ok, test.found)
			}
			if ok && (got.number != test.number || got.out.Address != 0x03 || got.in.Address != 0x85 || got.event.Address != 0x81) {
				t.Errorf("chose interface %d, endpoints %s %s %s", got.number, got.out.Address, got.in.Address, got.event.Address)
			}
		})
	}
}

func TestChooseDoesNotTripOverInterfaceNumbersWithGaps(t *testing.T) {
	device := deviceWith(setting(libusb.ClassVendorSpec,
		endpoint(0x03, libusb.TransferTypeBulk), endpoint(0x85, libusb.TransferTypeBulk), endpoint(0x81, libusb.TransferTypeInterrupt)))
	device.Configs[1].Interfaces[0].Number = 2
	if _, ok := choose(device); ok {
		t.Error("chose an interface that gousb cannot claim")
	}
}

func TestPathIsTheNameLinuxUses(t *testing.T) {
	for want, d := range map[string]libusb.DeviceDesc{
		"1-2":     {Bus: 1, Path: []int{2}},
		"3-1.4.2": {Bus: 3, Path: []int{1, 4, 2}},
		"usb2":    {Bus: 2},
	} {
		if got := pathOf(&d); got != want {
			t.Errorf("path of %v is %q, want %q", d.Path, got, want)
		}
	}
}

func TestErrorsOfLibusbBecomeErrorsOfTheTransport(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"access", libusb.ErrorAccess, transport.ErrPermission},
		{"busy", libusb.ErrorBusy, transport.ErrBusy},
		{"busy, known by its text alone", fmt.Errorf("failed to claim interface 0: %v", libusb.ErrorBusy), transport.ErrBusy},
		{"no device", libusb.ErrorNoDevice, transport.ErrDisconnected},
		{"transfer without device", libusb.TransferNoDevice, transport.ErrDisconnected},
		{"input or output", libusb.ErrorIO, libusb.ErrorIO},
		{"failed transfer", libusb.TransferError, libusb.TransferError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := explain("test", test.err); !errors.Is(got, test.want) {
				t.Errorf("explained as %v, want %v", got, test.want)
			}
		})
	}
}

// A machine may have no USB, no devices or many. Whichever it is, the bus
// answers in the terms of the transport.
func TestBusAnswersWhateverTheMachineHas(t *testing.T) {
	bus := New()
	found, listErr := bus.List(t.Context())
	link, err := bus.Open(t.Context(), transport.Selector{Serial: "no device has this"})
	if link != nil || listErr == nil && !errors.Is(err, transport.ErrNotFound) {
		t.Errorf("open: %v; list: %v, %v", err, found, listErr)
	}
}
