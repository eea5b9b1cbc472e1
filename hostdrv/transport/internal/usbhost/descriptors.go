package usbhost

import (
	"encoding/binary"
	"errors"

	"usbhsm7/usbip/usb"
)

// Sizes of descriptors in bytes (USB 2.0, section 9.6).
const (
	deviceSize        = 18
	configurationSize = 9
	interfaceSize     = 9
	endpointSize      = 7
)

// vendorClass is bInterfaceClass of an HSM (USB 2.0, table 9-12).
const vendorClass = 0xff

// place is where in a device the HSM is: an alternate setting of an interface
// and the addresses of its three endpoints.
type place struct {
	configuration     uint8 // bConfigurationValue
	number, alternate uint8 // bInterfaceNumber, bAlternateSetting
	out, in, event    uint8 // bEndpointAddress, 0 while not found
	packet            int   // wMaxPacketSize of out, bytes
}

func (p place) complete() bool { return p.out != 0 && p.in != 0 && p.event != 0 }

var errMalformed = errors.New("malformed configuration descriptor")

// choose finds the first interface in a configuration, given as its descriptor
// with all that belongs to it, that looks like an HSM: class FF with a bulk
// pair and an interrupt IN endpoint.
func choose(configuration []byte) (place, bool, error) {
	if len(configuration) < configurationSize {
		return place{}, false, errMalformed
	}
	var current place
	vendor := false // current belongs to an interface of the right class
	for rest := configuration; len(rest) > 0; {
		size := int(rest[0])
		if size < 2 || size > len(rest) {
			return place{}, false, errMalformed
		}
		d := rest[:size]
		rest = rest[size:]
		switch {
		case d[1] == usb.DescriptorInterface && size >= interfaceSize:
			if current.complete() {
				return current, true, nil
			}
			current = place{configuration: configuration[5], number: d[2], alternate: d[3]}
			vendor = d[5] == vendorClass
		case d[1] == usb.DescriptorEndpoint && size >= endpointSize && vendor:
			current.take(d)
		}
	}
	return current, current.complete(), nil
}

// take notes an endpoint if it is the first of a kind that is needed.
func (p *place) take(endpoint []byte) {
	address, kind := endpoint[2], usb.EndpointType(endpoint[3]&0x03)
	in := address&usb.DirIn != 0
	packet := int(binary.LittleEndian.Uint16(endpoint[4:]) & 0x07ff)
	switch {
	case packet == 0:
	case kind == usb.Bulk && !in && p.out == 0:
		p.out, p.packet = address, packet
	case kind == usb.Bulk && in && p.in == 0:
		p.in = address
	case kind == usb.Interrupt && in && p.event == 0:
		p.event = address
	}
}
