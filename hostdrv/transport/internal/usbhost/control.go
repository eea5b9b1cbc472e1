package usbhost

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf16"

	"usbhsm7/usbip/usb"
)

// controlTimeout bounds one control transfer, as in Linux.
const controlTimeout = 5 * time.Second

// control carries out a request on the default control pipe (USB 2.0, section
// 9.3). data is the data stage, either way; n is how much of it was moved.
func (h *Host) control(ctx context.Context, s usb.Setup, data []byte) (n int, err error) {
	limited, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	s.Length = uint16(len(data))
	r := newRequest()
	r.urb.Setup, r.urb.Buffer = s, data
	if s.In() && len(data) > 0 {
		r.urb.Endpoint = usb.DirIn
	}
	err = h.carry(limited, nil, r)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %v", controlTimeout)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s, err)
	}
	return r.urb.Actual, nil
}

// descriptor reads a descriptor of at most most bytes (USB 2.0, section 9.4.3).
func (h *Host) descriptor(ctx context.Context, kind, index uint8, language uint16, most int) ([]byte, error) {
	data := make([]byte, most)
	n, err := h.control(ctx, usb.Setup{
		RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: uint16(kind)<<8 | uint16(index), Index: language,
	}, data)
	if err != nil {
		return nil, err
	}
	if n < 2 || int(data[0]) > n || data[1] != kind {
		return nil, fmt.Errorf("descriptor %d of type %d is malformed", index, kind)
	}
	return data[:n], nil
}

// text reads string descriptor index in the device's first language (USB 2.0,
// section 9.6.7). Index 0 means that there is none.
func (h *Host) text(ctx context.Context, index uint8) (string, error) {
	if index == 0 {
		return "", nil
	}
	const longest = 255
	languages, err := h.descriptor(ctx, usb.DescriptorString, 0, 0, longest)
	if err != nil {
		return "", err
	}
	var language uint16
	if languages[0] >= 4 {
		language = binary.LittleEndian.Uint16(languages[2:])
	}
	b, err := h.descriptor(ctx, usb.DescriptorString, index, language, longest)
	if err != nil {
		return "", err
	}
	b = b[2:max(b[0], 2)]
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units)), nil
}

// clearHalt clears the halt of an endpoint (USB 2.0, section 9.4.1).
func (h *Host) clearHalt(ctx context.Context, address uint8) error {
	_, err := h.control(ctx, usb.Setup{
		RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature,
		Value: usb.FeatureEndpointHalt, Index: uint16(address),
	}, nil)
	return err
}
