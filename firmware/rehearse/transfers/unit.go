package transfers

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/usbip/usb"
)

// serial is that of the unit, whose HSM is initialised for the purpose.
const serial = "7000007"

// errHangs is what a host finds that gets no answer for good.
var errHangs = errors.New("the device does not answer")

// patience is how long a host waits until it takes a device to hang: a matter of
// finding faults, not of how they come out.
const patience = time.Minute

// unit is a device with its flash and its switch.
type unit struct {
	ctx      context.Context
	chip     *flash.Guard
	found    *flash.Memory // when it was switched on last
	defect   *Defect       // nil = none
	verifier boot.Verifier
	began    time.Time
	passed   atomic.Int64 // so much later its clock is than when it began, ns
	device   *device.Device
	port     usb.Port
	restarts chan struct{} // has a value when the device wants to be restarted
}

// newUnit returns a unit with the firmware of a subject, that is on. Its HSM is new.
func newUnit(ctx context.Context, s sweep.Subject, d *Defect) (*unit, error) {
	chip := s.Chip.Clone()
	for block := range chip.Geometry().Blocks / 2 {
		if err := chip.Erase(block); err != nil {
			return nil, err
		}
	}
	u := &unit{ctx: ctx, chip: flash.NewGuard(chip), defect: d, verifier: s.Verifier, began: s.Facts.Now}
	return u, u.on()
}

// on switches the unit on.
func (u *unit) on() error {
	u.found = u.chip.Snapshot()
	restarts := make(chan struct{}, 1)
	d, err := device.New(device.Config{
		Flash: u.chip, Serial: serial, Cost: auth.Quick, Seed: []byte("transfers"), Verifier: u.verifier,
		Clock: func() time.Time { return u.began.Add(time.Duration(u.passed.Load())) }, Restart: func() { restarts <- struct{}{} },
	})
	if err != nil {
		return fmt.Errorf("the device does not start: %w", err)
	}
	u.device, u.port, u.restarts = d, d.USB(), restarts
	return nil
}

// pass lets time pass by the unit's clock.
func (u *unit) pass(d time.Duration) { u.passed.Add(int64(d)) }

// off switches the unit off.
func (u *unit) off() error {
	u.port.Disconnect()
	return u.device.Close()
}

// cut takes the power away for a moment: what is on the flash now is what is found.
func (u *unit) cut() error {
	left := u.chip.Snapshot()
	if u.defect != nil && u.defect.stale {
		left = u.found
	}
	if err := u.off(); err != nil {
		return err
	}
	u.chip = flash.NewGuard(left)
	return u.on()
}

// restart waits until the device wants to be restarted, and does it.
func (u *unit) restart() error {
	if err := u.wait(u.restarts); err != nil {
		return err
	}
	return errors.Join(u.off(), u.on())
}

// run carries out a transfer. The error says that the device hangs.
func (u *unit) run(urb *usb.URB) (usb.Status, error) {
	done := make(chan struct{})
	urb.Done = func(*usb.URB) { close(done) }
	u.port.Submit(urb)
	if err := u.wait(done); err != nil {
		u.port.Cancel(urb)
		<-done
		return urb.Status, err
	}
	return urb.Status, nil
}

func (u *unit) wait(done <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(u.ctx, patience, errHangs)
	defer cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
