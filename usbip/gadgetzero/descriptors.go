package gadgetzero

import (
	"slices"

	"usbhsm7/usbip/usb"
)

// What the device says it is.
const (
	Vendor  = 0x0525 // NetChip, whose numbers Linux's test gadgets use
	Product = 0xa4a0 // Gadget Zero
)

// Endpoints. Those of bulk transfers are in both alternate settings, the others
// in alternate setting 1.
const (
	BulkOut        = 0x01
	BulkIn         = 0x81
	IsochronousOut = 0x02
	IsochronousIn  = 0x82
	InterruptOut   = 0x03
	InterruptIn    = 0x83
)

// shape is what endpoints of each transfer type are like at a speed: as large
// and as frequent as USB allows, with several packets in an interval where it
// can have them. The interrupt endpoints of high speed have one, because usbtest
// takes their wMaxPacketSize for a number.
type shape struct{ bulk, interrupt, isochronous usb.Endpoint }

var shapes = map[usb.Speed]shape{
	usb.SpeedFull: {
		bulk:        usb.Endpoint{MaxPacketSize: 64},
		interrupt:   usb.Endpoint{MaxPacketSize: 64, Interval: 1},
		isochronous: usb.Endpoint{MaxPacketSize: 1023, Interval: 1},
	},
	usb.SpeedHigh: {
		bulk:        usb.Endpoint{MaxPacketSize: 512},
		interrupt:   usb.Endpoint{MaxPacketSize: 1024, Interval: 1},
		isochronous: usb.Endpoint{MaxPacketSize: 1024, Interval: 1, Mult: 2},
	},
	usb.SpeedSuper: {
		bulk:        usb.Endpoint{MaxPacketSize: 1024, MaxBurst: 15},
		interrupt:   usb.Endpoint{MaxPacketSize: 1024, Interval: 1, MaxBurst: 2},
		isochronous: usb.Endpoint{MaxPacketSize: 1024, Interval: 1, MaxBurst: 2, Mult: 1},
	},
}

func describe(speed usb.Speed) usb.Descriptors {
	s := shapes[speed]
	bulk := pair(BulkOut, usb.Bulk, s.bulk)
	all := slices.Concat(bulk,
		pair(IsochronousOut, usb.Isochronous, s.isochronous),
		pair(InterruptOut, usb.Interrupt, s.interrupt))
	return usb.Descriptors{
		Speed: speed, Vendor: Vendor, Product: Product, Release: 0x0100, Class: 0xff,
		Manufacturer: "usbhsm7", ProductName: "Gadget Zero", Serial: "0",
		Configurations: []usb.Configuration{{
			Value: 1, SelfPowered: true, Name: "source and sink",
			Interfaces: []usb.Interface{{Class: 0xff, Endpoints: bulk}, {Class: 0xff, Alternate: 1, Endpoints: all}},
		}},
	}
}

// pair returns an OUT endpoint and the IN endpoint of the same number.
func pair(out uint8, kind usb.EndpointType, like usb.Endpoint) []usb.Endpoint {
	like.Address, like.Type = out, kind
	in := like
	in.Address |= usb.DirIn
	return []usb.Endpoint{like, in}
}
