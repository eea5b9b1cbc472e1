package hostdrv

import (
	"context"

	"usbhsm7/firmware/command"
)

// Tamper tells what the sensors of the device have found and nobody has cleared.
func (s *Session) Tamper(ctx context.Context) (command.TamperShowResponse, error) {
	return ask[command.TamperShowResponse](ctx, s, command.CodeTamperShow, nil)
}

// ClearTamper unlocks a device that was tampered with, as the HSM SO if there is
// one. Tamper then tells whether the device has to restart.
func (s *Session) ClearTamper(ctx context.Context) error {
	return tell(ctx, s, command.CodeTamperClear, nil)
}

// Restart has the device leave the bus and come back. The session ends with it,
// and so does every other one.
func (s *Session) Restart(ctx context.Context) error {
	return tell(ctx, s, command.CodeHSMRestart, nil)
}

// Transport puts the device into Secure Transport Mode, as the HSM SO, who is
// logged out like everyone else. The strings go to the receiver by another way
// than the device.
func (s *Session) Transport(ctx context.Context) (command.STMStrings, error) {
	return ask[command.STMStrings](ctx, s, command.CodeSTMTransport, nil)
}

// Recover returns the verification string of a random user string, to be compared
// with the sender's, and with proceed ends Secure Transport Mode, whatever it is.
func (s *Session) Recover(ctx context.Context, random string, proceed bool) (string, error) {
	r, err := ask[command.STMRecoverResponse](ctx, s, command.CodeSTMRecover, &command.STMRecoverRequest{Random: random, Proceed: proceed})
	return r.Verification, err
}

// InTransport reports whether the device is in Secure Transport Mode.
func (s *Session) InTransport(ctx context.Context) (bool, error) {
	r, err := ask[command.STMShowResponse](ctx, s, command.CodeSTMShow, nil)
	return r.Active, err
}
