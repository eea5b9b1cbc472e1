package usbhost

import (
	"context"
	"fmt"
	"time"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// Port takes URBs. usb.Port and the USB/IP client's device are such.
type Port interface {
	Submit(*usb.URB)
	Cancel(*usb.URB)
}

// Host is one connection to one device.
type Host struct {
	Port Port
	Path string // where the device was found

	// Release ends the connection. Every pending URB then completes.
	Release func() error

	// Cause tells why the connection ended, to be added to
	// transport.ErrDisconnected. It may be nil, and so may its result.
	Cause func() error
}

// cancelTimeout is how long a device may take to give a cancelled URB back.
// After that the connection is given up, so that no caller waits for ever on a
// server that has stopped answering.
const cancelTimeout = 5 * time.Second

// request is a URB with a way to wait for it. It may be used again and again.
type request struct {
	urb  usb.URB
	done chan struct{} // receives a token when the URB has completed
}

func newRequest() *request {
	r := &request{done: make(chan struct{}, 1)}
	r.urb.Done = func(*usb.URB) { r.done <- struct{}{} }
	return r
}

// carry submits r, waits for its end and returns its status as an error. If
// ctx ends first, or ended is closed, r is taken back: then the error is that
// of ctx, or transport.ErrClosed.
func (h *Host) carry(ctx context.Context, ended <-chan struct{}, r *request) error {
	h.Port.Submit(&r.urb)
	var early error
	select {
	case <-r.done:
		return failure(r.urb.Status)
	case <-ctx.Done():
		early = ctx.Err()
	case <-ended:
		early = transport.ErrClosed
	}
	h.takeBack(r)
	if r.urb.Status == usb.OK {
		return nil // it was done all the same
	}
	return early
}

// takeBack cancels r and waits until it has completed.
func (h *Host) takeBack(r *request) {
	h.Port.Cancel(&r.urb)
	patience := time.NewTimer(cancelTimeout)
	defer patience.Stop()
	select {
	case <-r.done:
	case <-patience.C:
		_ = h.Release() // its error is returned by Close
		<-r.done
	}
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
