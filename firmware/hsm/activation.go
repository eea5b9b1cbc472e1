package hsm

import (
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
)

// An activated role logs in with its challenge secret alone: what its keyset opens
// waits in memory, sealed under the key that the challenge secret opens. With
// partition policy 23 it waits on the flash too, for as long as the power may be
// away; then the device notes twice a minute that it has power.

// How long activated roles stay so without power, and how exactly the device knows
// since when there was none. Both are by the device's clock.
const (
	AutoActivation = 2 * time.Hour
	BeatInterval   = 30 * time.Second
)

const (
	recordAlive      = "alive"
	activationPrefix = "activation/"
)

func recordActivation(r command.Role) string { return activationPrefix + r.String() }

// activationRecord is what activation keeps of a role.
type activationRecord struct {
	Sealed []byte `cbor:"1,keyasint"` // the role's key, under the key of its challenge
}

// aliveRecord says when the device last had power for sure.
type aliveRecord struct {
	Time int64 `cbor:"1,keyasint"` // seconds since 1970
}

// activates reports whether roles are activated by a login, and autoActivates
// whether they stay so without power.
func (s *state) activates() bool { return s.policies.partition.On(policy.Activation) }

func (s *state) autoActivates() bool {
	return s.activates() && s.policies.partition.On(policy.AutoActivation)
}

// anyActive reports whether a role is activated.
func (s *state) anyActive() bool {
	for i := range s.roles {
		if s.roles[i].active != nil {
			return true
		}
	}
	return false
}

// activate keeps what a login has sealed, if it has.
func (u *update) activate(role command.Role, sealed []byte) error {
	if sealed == nil {
		return nil
	}
	u.state.roles[role].active = sealed
	if !u.state.autoActivates() {
		return nil
	}
	return u.put(recordActivation(role), activationRecord{sealed})
}

// deactivate has a role present its keyset again.
func (u *update) deactivate(role command.Role) {
	r := &u.state.roles[role]
	if r.active == nil {
		return
	}
	r.active = nil
	u.records.Delete(recordActivation(role))
	if !u.state.anyActive() {
		u.state.alive = 0
		u.records.Delete(recordAlive)
	}
}

func (u *update) deactivateAll() {
	for _, role := range command.Roles {
		u.deactivate(role)
	}
}

// dropActivations deletes the records of activation, whatever is in memory.
func (u *update) dropActivations() {
	u.state.alive = 0
	u.records.Delete(recordAlive)
	for _, role := range command.Roles {
		u.records.Delete(recordActivation(role))
	}
}

// settleActivation makes activation what changed policies of the partition want.
func (u *update) settleActivation() error {
	u.state.derive(&u.hsm.firmware)
	switch {
	case !u.state.activates():
		u.deactivateAll()
	case !u.state.autoActivates():
		u.dropActivations()
	default:
		for _, role := range command.Roles {
			if err := u.activate(role, u.state.roles[role].active); err != nil {
				return err
			}
		}
	}
	return nil
}

// roleDeactivate is for the role itself, and for those above it.
func (c *call) roleDeactivate(r *command.RoleDeactivateRequest) error {
	if err := c.roleOfSlot(r.Role); err != nil {
		return err
	}
	info, _ := r.Role.Info()
	if own := c.role(); own != r.Role && own != info.By && own != command.RolePO {
		return command.StatusUserNotLoggedIn.Withf("%s does not deactivate %s", own, r.Role)
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		if u.state.roles[r.Role].active == nil {
			return command.StatusOperationRestricted.With("the role is not activated", "")
		}
		u.event(stateChanged(r.Role.String() + " is deactivated"))
		u.deactivate(r.Role)
		return nil
	})
}

// loadActivation finds the roles that are activated still, at power-on, and notes
// that there is power: a clock that is set back afterwards shows less than that.
func (h *HSM) loadActivation() error {
	var alive aliveRecord
	if known, err := read(h.vault, recordAlive, &alive); err != nil || !known {
		return err
	}
	away := time.Duration(h.clock().Unix()-alive.Time) * time.Second
	return h.update(func(u *update) error {
		u.records.Urgent = true
		if !u.state.autoActivates() || away < 0 || away > AutoActivation {
			u.dropActivations()
			return nil
		}
		u.state.alive = alive.Time
		for _, role := range command.Roles {
			var r activationRecord
			if _, err := read(h.vault, recordActivation(role), &r); err != nil {
				return err
			}
			u.state.roles[role].active = r.Sealed
		}
		return u.beat(time.Second)
	})
}

// beats reports whether the flash is to learn that the device has power: often
// enough that it never takes AutoActivation for longer than BeatInterval, and at
// once when the clock was set back.
func (h *HSM) beats(s *state, interval time.Duration) bool {
	if !s.autoActivates() || !s.anyActive() {
		return false
	}
	since := time.Duration(h.clock().Unix()-s.alive) * time.Second
	return since < 0 || since >= interval
}

// beat adds that the device has power to a change.
func (u *update) beat(interval time.Duration) error {
	if !u.hsm.beats(&u.state, interval) {
		return nil
	}
	u.state.alive = u.hsm.clock().Unix()
	return u.put(recordAlive, aliveRecord{u.state.alive})
}

// rest notes when the device is switched off, since which time counts.
func (h *HSM) rest() error {
	if !h.beats(h.state.Load(), time.Second) {
		return nil
	}
	return h.update(func(u *update) error { return u.beat(time.Second) })
}

// sealActive returns what activation keeps: the key of a role under that of its
// challenge.
func (h *HSM) sealActive(role command.Role, key, challenge []byte) ([]byte, error) {
	seal, err := vault.NewSealer(challenge, h.entropy)
	if err != nil {
		return nil, err
	}
	return seal.Seal(recordActivation(role), key)
}

// openActive is the inverse.
func (h *HSM) openActive(role command.Role, active, challenge []byte) ([]byte, error) {
	seal, err := vault.NewSealer(challenge, h.entropy)
	if err != nil {
		return nil, err
	}
	return seal.Open(recordActivation(role), active)
}
