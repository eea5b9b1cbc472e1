package main

import (
	"context"
	"errors"
	"time"

	"usbhsm7/firmware/control"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/socket"
)

// lookAgain is how often --wait looks whether something is there by now.
const lookAgain = 50 * time.Millisecond

// patiently runs find until it finds something, fails for another reason than
// that nothing is there, or has been tried for as long as --wait says.
func patiently(ctx context.Context, wait time.Duration, find func(context.Context) error) error {
	end := time.Now().Add(wait)
	for {
		err := find(ctx)
		if !absent(err) || !time.Now().Before(end) {
			return err
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// absent reports whether err says that a device or a simulator is not there,
// which may yet come.
func absent(err error) bool {
	return errors.Is(err, transport.ErrNotFound) || errors.Is(err, socket.ErrNoServer) || errors.Is(err, control.ErrUnreachable)
}
