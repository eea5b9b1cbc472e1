package replay

import (
	"encoding/binary"
	"fmt"

	"usbhsm7/usbip/usb"
)

// Sizes of descriptors in bytes (USB 2.0, section 9.6).
const (
	deviceSize    = 18
	interfaceSize = 9
	endpointSize  = 7
)

// identify finds what a device says of itself in the control transfers of its
// enumeration.
func identify(control []*transfer) (usb.Identity, error) {
	device := descriptor(control, usb.DescriptorDevice, deviceSize)
	if device == nil {
		return usb.Identity{}, fmt.Errorf("%w: it does not show the device's descriptors; begin it before the host comes", ErrIncomplete)
	}
	le := binary.LittleEndian
	id := usb.Identity{
		Speed: usb.SpeedHigh, Class: device[4], SubClass: device[5], Protocol: device[6],
		Vendor: le.Uint16(device[8:]), Product: le.Uint16(device[10:]), Release: le.Uint16(device[12:]),
		Configurations: device[17],
	}
	if device[7] == 9 { // bMaxPacketSize0 as an exponent (USB 3.2, section 9.6.1)
		id.Speed = usb.SpeedSuper
	}
	for rest := descriptor(control, usb.DescriptorConfiguration, interfaceSize+endpointSize); len(rest) >= 2; {
		size := int(rest[0])
		if size < 2 || size > len(rest) {
			break
		}
		d := rest[:size]
		rest = rest[size:]
		switch {
		case d[1] == usb.DescriptorInterface && size >= interfaceSize && d[3] == 0:
			id.Interfaces = append(id.Interfaces, usb.InterfaceClass{Class: d[5], SubClass: d[6], Protocol: d[7]})
		case d[1] == usb.DescriptorEndpoint && size >= endpointSize && fullSpeedBulk(d):
			id.Speed = usb.SpeedFull
		}
	}
	return id, nil
}

// fullSpeedBulk reports whether an endpoint descriptor is of a bulk endpoint that
// a device has only at full speed: a capture does not tell the speed itself.
func fullSpeedBulk(d []byte) bool {
	return usb.EndpointType(d[3]&3) == usb.Bulk && binary.LittleEndian.Uint16(d[4:])&0x7ff < 512
}

// descriptor returns the longest answer to a request for the first descriptor of
// a kind, or nil if none has at least so many bytes.
func descriptor(control []*transfer, kind uint16, least int) []byte {
	var found []byte
	for _, t := range control {
		s := t.setup
		asked := s != nil && s.RequestType == usb.DirIn && s.Request == usb.GetDescriptor && s.Value == kind<<8
		if asked && len(t.in) >= max(least, len(found)+1) {
			found = t.in
		}
	}
	return found
}
