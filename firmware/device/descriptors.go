package device

import (
	"usbhsm7/firmware/frame"
	"usbhsm7/usbip/usb"
)

// Default identity on the bus: the test range of pid.codes, because the real
// product's identifiers are not public and are not ours to use.
const (
	DefaultVendor  = 0x1209
	DefaultProduct = 0x0001
)

// Endpoint addresses. A driver must not rely on them: it finds the endpoints
// from the descriptors.
const (
	endpointOut   = 0x01 // bulk: requests
	endpointIn    = 0x81 // bulk: responses
	endpointEvent = 0x82 // interrupt: events
)

// endpoints describes the endpoints at a speed. An event is due within 1 ms at
// each: bInterval counts frames at full speed, and means 2^(n-1) microframes
// above (USB 2.0, section 9.6.6). One packet holds an event, except at full speed.
func endpoints(speed usb.Speed) []usb.Endpoint {
	bulk := usb.Endpoint{Type: usb.Bulk, MaxPacketSize: 512}
	event := usb.Endpoint{Address: endpointEvent, Type: usb.Interrupt, MaxPacketSize: frame.MaxEvent, Interval: 4}
	switch speed {
	case usb.SpeedFull:
		bulk.MaxPacketSize, event.MaxPacketSize, event.Interval = 64, 64, 1
	case usb.SpeedSuper:
		bulk.MaxPacketSize, bulk.MaxBurst = 1024, 15
	}
	out, in := bulk, bulk
	out.Address, in.Address = endpointOut, endpointIn
	return []usb.Endpoint{out, in, event}
}

// deviceRelease is bcdDevice: the version of the USB function.
const deviceRelease = 0x0100

// descriptors describes the device to a host: one vendor-class interface, and
// the Microsoft OS 2.0 set that binds WinUSB without a driver package.
func descriptors(c Config, serial string) usb.Descriptors {
	return usb.Descriptors{
		Speed:  c.Speed,
		Vendor: c.Vendor, Product: c.Product, Release: deviceRelease,
		Manufacturer: "usbhsm7 project", ProductName: "USB HSM 7 simulator", Serial: serial,
		Configurations: []usb.Configuration{{
			Value: 1, SelfPowered: true, MaxPower: 500,
			Interfaces: []usb.Interface{{
				Class: 0xFF, Name: "HSM commands", Endpoints: endpoints(c.Speed),
			}},
		}},
		Microsoft: &usb.MicrosoftOS{
			VendorCode: 0x20, CompatibleID: "WINUSB", InterfaceGUID: "{8E5B2B2A-6A0B-4C6C-9E55-4B6F1D0C7A37}",
		},
	}
}
