package main

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/control"
	"usbhsm7/firmware/device"
)

// tamper answers POST /tamper, a control.Tamper; then the control.Status.
func (u *unit) tamper(w http.ResponseWriter, r *http.Request) error {
	var request control.Tamper
	if err := readRequest(w, r, &request); err != nil {
		return err
	}
	cause, err := command.ParseTamperCause(request.Cause)
	if err != nil {
		return fmt.Errorf("%w: %w", control.ErrRequest, err)
	}
	u.find(cause)
	return control.Reply(w, u.Status())
}

// find has a sensor find something. Sensors have a battery of their own: what they
// find while the device is off, it is told when it is switched on.
func (u *unit) find(cause command.TamperCause) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.found, cause) {
		u.found = append(u.found, cause)
	}
	if u.device != nil {
		u.tellTampers(u.device)
	}
}

// tellTampers tells the device what the sensors have found. What it cannot take it
// is told again at the next power-on; mu is held.
func (u *unit) tellTampers(d *device.Device) {
	u.found = slices.DeleteFunc(u.found, func(cause command.TamperCause) bool {
		err := d.Tamper(cause)
		if err != nil {
			u.log.Error().Err(err).Stringer("cause", cause).Msg("the device cannot note a tamper event")
		}
		return err == nil
	})
}

// restartDelay is how long the device stays on the bus after it has answered, so
// that the answer reaches the host.
const restartDelay = 100 * time.Millisecond

// restart switches the device off and on, unless it is off.
func (u *unit) restart() {
	time.Sleep(restartDelay)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.device == nil {
		return
	}
	u.log.Info().Msg("restart")
	err := u.powerOff()
	if err == nil {
		err = u.powerOn()
	}
	if err != nil {
		u.log.Error().Err(err).Msg("the device does not restart")
	}
}

// noteShipped keeps what belongs to a new device in Secure Transport Mode; mu is
// held.
func (u *unit) noteShipped(s command.STMStrings) {
	if s == (command.STMStrings{}) {
		return
	}
	u.last.Shipped = &control.Shipped{Random: s.Random, Verification: s.Verification}
	u.log.Info().Str("random_user_string", s.Random).Str("verification_string", s.Verification).Msg("a new device in Secure Transport Mode")
}
