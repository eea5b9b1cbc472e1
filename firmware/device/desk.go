package device

import (
	"context"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/hsm"
	"usbhsm7/touchscreen"
)

// newDesk returns where people attend to the device, or nil if it has no screen.
func (d *Device) newDesk(c Config) *dialogue.Desk {
	if c.Panel == nil || c.Reader == nil {
		return nil
	}
	return dialogue.New(dialogue.Config{
		Panel: c.Panel, Reader: c.Reader, Clock: deviceClock{c.Clock, c.Wait}, Entropy: c.Entropy, Unit: d.unit,
	})
}

// deviceClock is a Config's clock as dialogues know it.
type deviceClock struct {
	now  func() time.Time
	wait func(context.Context, time.Time) error
}

// Now implements dialogue.Clock.
func (c deviceClock) Now() time.Time { return c.now() }

// Wait implements dialogue.Clock.
func (c deviceClock) Wait(ctx context.Context, until time.Time) error { return c.wait(ctx, until) }

// never is a wait that nothing but ctx ends.
func never(ctx context.Context, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}

// refresh has the home screen tell what is new.
func (d *Device) refresh() {
	if d.desk != nil {
		d.desk.Refresh()
	}
}

// states are the states of the HSM in the words of the home screen.
var states = map[command.HSMState]string{
	command.HSMFactory: "Not initialised", command.HSMZeroized: "Zeroized", command.HSMInitialised: "Ready",
}

// banners are what people must know at once, the worst first.
var banners = []struct {
	halt command.Halt
	text string
}{
	{command.HaltTamper, "Tampered with"},
	{command.HaltRestart, "Must be restarted"},
	{command.HaltTransport, "Secure Transport Mode"},
	{command.HaltConversion, "Converting: do not switch off"},
	{command.HaltRecovery, "Firmware damaged: update it"},
}

// unit is what the home screen tells: what the command info tells anybody.
func (d *Device) unit() (u touchscreen.Unit) {
	u.Model, u.Serial, u.Firmware = d.core.Identity()
	host := d.core.Connect()
	defer host.Close()
	status, payload := host.Execute(context.Background(), command.CodeInfo, 0, nil)
	var info command.InfoResponse
	if status != command.StatusOK || command.Unmarshal(payload, &info) != nil {
		return u
	}
	u.Label, u.State = info.Label, states[info.State]
	if info.State == command.HSMInitialised && info.Halt != 0 {
		u.State = "Locked"
	}
	for _, b := range banners {
		if info.Halt&b.halt != 0 {
			u.Banner = b.text
			break
		}
	}
	return u
}

// path returns the way to the people at the device, nil if there is none.
func (d *Device) path(c Config) hsm.TrustedPath {
	switch {
	case c.Path != nil:
		return c.Path
	case d.desk != nil:
		return d.desk
	}
	return nil
}
