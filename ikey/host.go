package ikey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"usbhsm7/ikey/internal/wire"
	"usbhsm7/usbip/usb"
)

// patience is how long a key may take for one request.
const patience = 10 * time.Second

// host is the unit's USB controller while it speaks to one device: from the
// connection to the end of one request.
type host struct {
	device usb.Port
}

// connect makes an iKey ready for requests. The caller disconnects. Errors:
// ErrNotAKey, ErrRemoved, that of ctx.
func connect(ctx context.Context, d usb.Port) (*host, error) {
	if _, err := d.Connect(); err != nil {
		return nil, gone(err)
	}
	h := &host{device: d}
	if err := h.enumerate(ctx); err != nil {
		d.Disconnect()
		return nil, err
	}
	return h, nil
}

// gone translates the errors of a connection: a device that left in the moment
// before, and one that somebody else uses.
func gone(err error) error {
	if errors.Is(err, usb.ErrNoDevice) {
		return ErrRemoved
	}
	return fmt.Errorf("%w: %w", ErrNotAKey, err)
}

// enumerate asks the device what it is and configures it (USB 2.0, section 9.1.2).
func (h *host) enumerate(ctx context.Context) error {
	const deviceSize = 18
	descriptor := make([]byte, deviceSize)
	n, err := h.control(ctx, usb.Setup{
		RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: deviceSize,
	}, descriptor)
	if err != nil {
		return asKey(err, ErrNotAKey)
	}
	vendor, product := binary.LittleEndian.Uint16(descriptor[8:]), binary.LittleEndian.Uint16(descriptor[10:])
	if n < deviceSize || descriptor[1] != usb.DescriptorDevice || vendor != wire.Vendor || product != wire.Product {
		return fmt.Errorf("%w: it is %04x:%04x", ErrNotAKey, vendor, product)
	}
	_, err = h.control(ctx, usb.Setup{Request: usb.SetConfiguration, Value: wire.Config}, nil)
	return asKey(err, ErrNotAKey)
}

// control carries out a request on the default control pipe.
func (h *host) control(ctx context.Context, s usb.Setup, data []byte) (int, error) {
	u := &usb.URB{Endpoint: s.RequestType & usb.DirIn, Setup: s, Buffer: data}
	err := h.do(ctx, u)
	return u.Actual, err
}

// exchange sends a request and returns the response to it, which the caller
// wipes. What is left of an earlier request is dropped. Errors: ErrRemoved,
// ErrDamaged for a key that does not answer as one, that of ctx.
func (h *host) exchange(ctx context.Context, q *wire.Request) (wire.Response, error) {
	request, err := q.Encode()
	if err != nil {
		return wire.Response{}, fmt.Errorf("%w: %w", ErrContents, err)
	}
	defer clear(request)
	out := &usb.URB{Endpoint: wire.Out, Buffer: request, Flags: usb.ZeroPacket}
	if err := h.do(ctx, out); err != nil {
		return wire.Response{}, asKey(err, ErrDamaged)
	}
	for {
		// Whole packets, so that a message too long for a response is no babble.
		in := &usb.URB{Endpoint: wire.In, Buffer: make([]byte, (wire.MaxResponse/wire.Packet+1)*wire.Packet)}
		if err := h.do(ctx, in); err != nil {
			clear(in.Buffer)
			return wire.Response{}, asKey(err, ErrDamaged)
		}
		r, err := wire.ParseResponse(in.Buffer[:in.Actual])
		if err == nil && r.Tag == q.Tag {
			return r, nil
		}
		clear(in.Buffer)
		if err != nil {
			return wire.Response{}, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
}

// do submits u and waits for its end. If ctx ends first, or the key takes too
// long, u is taken back.
func (h *host) do(ctx context.Context, u *usb.URB) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	h.device.Submit(u)
	select {
	case <-done:
		return u.Status.Err()
	case <-limited.Done():
	}
	h.device.Cancel(u)
	<-done
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return usb.ETIME
}

// asKey says what the failure of a transfer means: the key was pulled out,
// nobody waits any more, or else the given error.
func asKey(err, otherwise error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, usb.ENODEV), errors.Is(err, usb.ESHUTDOWN):
		return ErrRemoved
	}
	return fmt.Errorf("%w: %w", otherwise, err)
}
