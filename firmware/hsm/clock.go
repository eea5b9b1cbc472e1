package hsm

import (
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

func (c *call) timeGet() (*command.DeviceTime, error) {
	return &command.DeviceTime{Seconds: uint64(min(max(c.hsm.clock().Unix(), 0), command.MaxTime))}, nil
}

// timeSync sets the clock to the host's time. A delay that runs goes on for as
// long as it would have, so that nobody shortens it.
func (c *call) timeSync(r *command.DeviceTime) error {
	h := c.hsm
	if r.Seconds > command.MaxTime {
		return command.StatusLogBadTime.Withf("no clock shows %d seconds since 1970", r.Seconds)
	}
	h.password.Lock()
	defer h.password.Unlock()
	return c.update(func(u *update) error {
		switch {
		case !u.state.policies.hsm.On(policy.HostTime):
			return restricted("HSM policy 57 is off: the clock is not set from outside")
		case h.setClock == nil:
			return command.StatusOperationRestricted.With("the clock of this device cannot be set", "")
		}
		u.after(func() {
			before, now := h.clock(), time.Unix(int64(r.Seconds), 0).UTC()
			h.setClock(now)
			h.delayed = h.delayed.Add(now.Sub(before))
		})
		return nil
	})
}
