//go:build hardware && cgo

package gousb

import (
	"fmt"

	libusb "github.com/google/gousb"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/transporttest"
)

// Halt has the device behind l halt an endpoint: SET_FEATURE(ENDPOINT_HALT), USB
// 2.0 section 9.4.9.
func Halt(l transport.Link, e transporttest.Endpoint) error {
	const (
		toEndpoint   = 0x02 // bmRequestType: host to device, standard, endpoint
		setFeature   = 0x03
		endpointHalt = 0
	)
	on := l.(*link)
	address := map[transporttest.Endpoint]libusb.EndpointAddress{
		transporttest.BulkOut:     on.out.Desc.Address,
		transporttest.BulkIn:      on.in.endpoint.Desc.Address,
		transporttest.InterruptIn: on.event.endpoint.Desc.Address,
	}[e]
	if _, err := on.device.Control(toEndpoint, setFeature, endpointHalt, uint16(address), nil); err != nil {
		return fmt.Errorf("halt endpoint %s: %w", address, err)
	}
	return nil
}
