//go:build hardware && cgo

package gousb

import (
	"fmt"

	libusb "github.com/google/gousb"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/transporttest"
)

// Standard requests to an endpoint (USB 2.0, sections 9.4.5 and 9.4.9).
const (
	getStatus    = 0x00
	setFeature   = 0x03
	endpointHalt = 0
	fromEndpoint = 0x82
	toEndpoint   = 0x02
)

// Halt has the device behind l halt an endpoint.
func Halt(l transport.Link, endpoint uint8) error {
	_, err := l.(*link).device.Control(toEndpoint, setFeature, endpointHalt, uint16(endpoint), nil)
	if err != nil {
		return fmt.Errorf("halt endpoint %s: %w", libusb.EndpointAddress(endpoint), err)
	}
	return nil
}

// Halted asks the device whether an endpoint is halted.
func Halted(l transport.Link, endpoint uint8) (bool, error) {
	status := make([]byte, 2)
	if _, err := l.(*link).device.Control(fromEndpoint, getStatus, 0, uint16(endpoint), status); err != nil {
		return false, fmt.Errorf("status of endpoint %s: %w", libusb.EndpointAddress(endpoint), err)
	}
	return status[0]&1 != 0, nil
}

// Address returns the address of an endpoint of l.
func Address(l transport.Link, e transporttest.Endpoint) uint8 {
	a := l.(*link)
	switch e {
	case transporttest.BulkOut:
		return uint8(a.out.Desc.Address)
	case transporttest.BulkIn:
		return uint8(a.in.endpoint.Desc.Address)
	}
	return uint8(a.event.endpoint.Desc.Address)
}
