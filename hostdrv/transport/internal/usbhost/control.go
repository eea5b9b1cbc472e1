package usbhost

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf16"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// controlTimeout bounds one control transfer, as in Linux.
const controlTimeout = 5 * time.Second

// Port takes URBs. usb.Port and the USB/IP client's device are such.
type Port interface {
	Submit(*usb.URB)
	Cancel(*usb.URB)
}

// carry submits u, waits for its end and returns its status as an error. If
// ctx ends first u is cancelled.
func carry(ctx context.Context, port Port, u *usb.URB) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	port.Submit(u)
	select {
	case <-done:
	case <-ctx.Done():
		port.Cancel(u)
		<-done
	}
	if u.Status == usb.ECONNRESET && ctx.Err() != nil {
		return ctx.Err()
	}
	return failure(u.Status)
}

// failure translates the status of a URB.
func failure(s usb.Status) error {
	switch s {
	case usb.OK:
		return nil
	case usb.ENODEV, usb.ESHUTDOWN:
		return fmt.Errorf("%w (%w)", transport.ErrDisconnected, s)
	}
	return s
}

// control carries out a request on the default control pipe (USB 2.0, section
// 9.3). data is the data stage, either way; n is how much of it was moved.
func control(ctx context.Context, port Port, s usb.Setup, data []byte) (n int, err error) {
	limited, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	s.Length = uint16(len(data))
	u := &usb.URB{Setup: s, Buffer: data}
	if s.In() && len(data) > 0 {
		u.Endpoint = usb.DirIn
	}
	err = carry(limited, port, u)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %v", controlTimeout)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s, err)
	}
	return u.Actual, nil
}

// getDescriptor reads a descriptor of at most most bytes (USB 2.0, section 9.4.3).
func getDescriptor(ctx context.Context, port Port, kind, index uint8, language uint16, most int) ([]byte, error) {
	data := make([]byte, most)
	n, err := control(ctx, port, usb.Setup{
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

// getString reads string descriptor index in the device's first language (USB
// 2.0, section 9.6.7). Index 0 means that there is none.
func getString(ctx context.Context, port Port, index uint8) (string, error) {
	if index == 0 {
		return "", nil
	}
	const longest = 255
	languages, err := getDescriptor(ctx, port, usb.DescriptorString, 0, 0, longest)
	if err != nil {
		return "", err
	}
	var language uint16
	if languages[0] >= 4 {
		language = binary.LittleEndian.Uint16(languages[2:])
	}
	b, err := getDescriptor(ctx, port, usb.DescriptorString, index, language, longest)
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
func clearHalt(ctx context.Context, port Port, address uint8) error {
	_, err := control(ctx, port, usb.Setup{
		RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature,
		Value: usb.FeatureEndpointHalt, Index: uint16(address),
	}, nil)
	return err
}
