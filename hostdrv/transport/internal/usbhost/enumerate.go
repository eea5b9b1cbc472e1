package usbhost

import (
	"context"
	"fmt"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// enumerate does what USB 2.0, section 9.1.2, asks of a host, as far as it
// concerns a device that has its address: it reads the descriptors and the
// serial number and puts the configuration with the HSM in force.
func (h *Host) enumerate(ctx context.Context) (info transport.Info, where place, err error) {
	device, err := h.descriptor(ctx, usb.DescriptorDevice, 0, 0, deviceSize)
	if err != nil {
		return info, where, err
	}
	if len(device) < deviceSize {
		return info, where, fmt.Errorf("device descriptor of %d bytes", len(device))
	}
	info = transport.Info{
		Vendor:  uint16(device[8]) | uint16(device[9])<<8,
		Product: uint16(device[10]) | uint16(device[11])<<8,
		Path:    h.Path,
	}
	if where, err = h.find(ctx, device[17]); err != nil {
		return info, where, err
	}
	if info.Serial, err = h.text(ctx, device[16]); err != nil {
		return info, where, err
	}
	return info, where, h.configure(ctx, where)
}

// find looks through the configurations for the HSM.
func (h *Host) find(ctx context.Context, configurations uint8) (place, error) {
	for i := range configurations {
		head, err := h.descriptor(ctx, usb.DescriptorConfiguration, i, 0, configurationSize)
		if err != nil {
			return place{}, err
		}
		if len(head) < configurationSize {
			return place{}, errMalformed
		}
		total := int(head[2]) | int(head[3])<<8 // wTotalLength
		whole, err := h.descriptor(ctx, usb.DescriptorConfiguration, i, 0, max(total, configurationSize))
		if err != nil {
			return place{}, err
		}
		if found, ok, err := choose(whole); ok || err != nil {
			return found, err
		}
	}
	return place{}, fmt.Errorf("%w: its descriptors show no HSM", transport.ErrNotFound)
}

func (h *Host) configure(ctx context.Context, where place) error {
	_, err := h.control(ctx, usb.Setup{Request: usb.SetConfiguration, Value: uint16(where.configuration)}, nil)
	if err != nil || where.alternate == 0 {
		return err
	}
	_, err = h.control(ctx, usb.Setup{
		RequestType: usb.RecipientInterface, Request: usb.SetInterface,
		Value: uint16(where.alternate), Index: uint16(where.number),
	}, nil)
	return err
}
