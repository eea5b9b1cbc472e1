package hsm

import (
	"cmp"
	"slices"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

const recordTamper = "tamper"

// tamperRecord is what the sensors have found.
type tamperRecord struct {
	Count   uint64                `cbor:"1,keyasint"` // of findings, ever
	Events  []command.TamperEvent `cbor:"2,keyasint"` // that nobody has cleared, by cause
	Latched bool                  `cbor:"3,keyasint"` // locked until then
}

// Reaction is what a tamper event does. The bits of policies 40 and 48 decide.
type Reaction struct {
	Locks        bool // until it is cleared
	Decommission bool // destroys the partition and its roles; if it locks too, the HSM SO as well
}

// ReactionTo returns what a cause does under the policies of the HSM: policy 48
// (controlled tamper recovery) locks, policy 40 (decommission on tamper)
// destroys, and so does the loss of the battery unless policy 46 is on.
func ReactionTo(cause command.TamperCause, p *policy.Values) Reaction {
	return Reaction{
		Locks:        p.On(policy.ControlledTamper),
		Decommission: p.On(policy.DecommissionOnTamper) || cause == command.TamperBatteryLost && !p.On(policy.DisableDecommission),
	}
}

// Tamper tells the HSM what a sensor has found. It is durable when Tamper
// returns; after an error the sensor is to be asked again at the next power-on.
// The error is StatusArgumentsBad if there is no such cause.
func (h *HSM) Tamper(cause command.TamperCause) error {
	info, ok := cause.Info()
	if !ok {
		return command.StatusArgumentsBad.Withf("there is no tamper cause %d", uint8(cause))
	}
	h.password.Lock()
	defer h.password.Unlock()
	return h.update(func(u *update) error {
		now := h.clock().Unix()
		u.found = &command.AuditEvent{Time: now, Class: command.AuditManage, Operation: command.CodeTamper, Message: info.Name}
		u.event(command.Event{Code: command.EventTampered, Text: info.Name})
		u.records.Urgent = true
		reaction := ReactionTo(cause, &u.state.policies.hsm)
		u.deactivateAll()
		u.state.tamper.add(command.TamperEvent{Cause: cause, Time: now, Message: info.Message}, reaction.Locks)
		return u.react(reaction)
	})
}

// add notes a finding; of each cause the latest is kept.
func (t *tamperRecord) add(e command.TamperEvent, locks bool) {
	t.Count++
	t.Latched = t.Latched || locks
	t.Events = slices.DeleteFunc(slices.Clone(t.Events), func(old command.TamperEvent) bool { return old.Cause == e.Cause })
	t.Events = append(t.Events, e)
	slices.SortFunc(t.Events, func(a, b command.TamperEvent) int { return cmp.Compare(a.Cause, b.Cause) })
}

// react does what a finding brings. An HSM that is not initialised has nothing
// that could be destroyed or locked away.
func (u *update) react(r Reaction) error {
	initialised := u.state.hsm.State == command.HSMInitialised
	switch {
	case initialised && r.Decommission:
		u.event(command.Event{Code: command.EventZeroized, Text: "the HSM is decommissioned"})
		if r.Locks || u.hsm.vault.Suspended() {
			return u.erase(&decommission)
		}
		return u.erase(&decommissionUnlocked)
	case initialised && r.Locks && !u.hsm.vault.Suspended():
		return u.suspend()
	case r.Locks:
		u.after(u.hsm.dropAll)
	}
	return u.put(recordTamper, u.state.tamper)
}

func (c *call) tamperShow() (*command.TamperShowResponse, error) {
	s := c.hsm.state.Load()
	return &command.TamperShowResponse{
		Events: append([]command.TamperEvent{}, s.tamper.Events...), Latched: s.tamper.Latched,
		Login: s.hsm.State == command.HSMInitialised, Restart: s.restart,
	}, nil
}

// tamperClear forgets what the sensors found and brings back what was locked
// away. It wants the HSM SO if there is one.
func (c *call) tamperClear() error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		t := &u.state.tamper
		switch {
		case len(t.Events) == 0:
			return command.StatusOperationRestricted.With("there is no tamper event", "")
		case u.state.hsm.State == command.HSMInitialised && c.role() != command.RoleSO:
			return notLoggedIn()
		}
		u.state.restart = u.state.restart || t.Latched && slices.ContainsFunc(t.Events, wantsRestart)
		*t = tamperRecord{Count: t.Count}
		u.event(stateChanged("the tamper event is cleared"))
		if u.hsm.vault.Suspended() {
			return u.resume(c.login.key)
		}
		return u.put(recordTamper, u.state.tamper)
	})
}

func wantsRestart(e command.TamperEvent) bool {
	info, _ := e.Cause.Info()
	return info.Restart
}

// hsmRestart permits a restart, which is for the owner of the HSM to make when
// the answer has left.
func (c *call) hsmRestart() error {
	if !c.hsm.restarts {
		return command.StatusOperationRestricted.With("nothing here can restart the device", "switch it off and on")
	}
	return nil
}
