package gadgetzero

import (
	"errors"

	"usbhsm7/usbip/usb"
)

// Vendor requests to the device, which Intel's compliance test device had first.
// wValue and wIndex are 0.
const (
	// ControlWrite (OUT) writes 0 to 65,535 bytes to the buffer, in place of
	// what it held.
	ControlWrite = 0x5b
	// ControlRead (IN) reads the buffer from its beginning, at most wLength
	// bytes of it.
	ControlRead = 0x5c
)

var errRequest = errors.New("no such request")

// control answers vendor requests; other requests stall.
func (g *Gadget) control(s usb.Setup, data []byte) ([]byte, error) {
	const toDevice = usb.TypeVendor | usb.RecipientDevice
	switch {
	case s.Value != 0 || s.Index != 0:
	case s.RequestType == toDevice && s.Request == ControlWrite:
		g.buffer = append(g.buffer[:0], data...)
		return nil, nil
	case s.RequestType == usb.DirIn|toDevice && s.Request == ControlRead:
		return g.buffer, nil
	}
	return nil, errRequest
}
