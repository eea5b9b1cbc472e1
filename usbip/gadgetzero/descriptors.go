package gadgetzero

import "usbhsm7/usbip/usb"

// What the device says it is.
const (
	Vendor  = 0x0525 // NetChip, whose numbers Linux's test gadgets use
	Product = 0xa4a0 // Gadget Zero
)

// Endpoints. Those of bulk transfers are in both alternate settings, the others
// in alternate setting 1.
const (
	BulkOut      = 0x01
	BulkIn       = 0x81
	InterruptOut = 0x03
	InterruptIn  = 0x83
)

// packets are the largest wMaxPacketSize of each transfer type at a speed.
type packets struct{ bulk, interrupt uint16 }

func packetsAt(s usb.Speed) packets {
	if s == usb.SpeedFull {
		return packets{bulk: 64, interrupt: 64}
	}
	return packets{bulk: 512, interrupt: 1024}
}

func describe(speed usb.Speed) usb.Descriptors {
	size := packetsAt(speed)
	bulk := []usb.Endpoint{
		{Address: BulkOut, Type: usb.Bulk, MaxPacketSize: size.bulk},
		{Address: BulkIn, Type: usb.Bulk, MaxPacketSize: size.bulk},
	}
	more := []usb.Endpoint{
		{Address: InterruptOut, Type: usb.Interrupt, MaxPacketSize: size.interrupt, Interval: 1},
		{Address: InterruptIn, Type: usb.Interrupt, MaxPacketSize: size.interrupt, Interval: 1},
	}
	return usb.Descriptors{
		Speed: speed, Vendor: Vendor, Product: Product, Release: 0x0100, Class: 0xff,
		Manufacturer: "usbhsm7", ProductName: "Gadget Zero", Serial: "0",
		Configurations: []usb.Configuration{{
			Value: 1, SelfPowered: true, Name: "source and sink",
			Interfaces: []usb.Interface{
				{Class: 0xff, Endpoints: bulk},
				{Class: 0xff, Alternate: 1, Endpoints: append(bulk[:len(bulk):len(bulk)], more...)},
			},
		}},
	}
}
