package hsm

import (
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/policy"
)

// authenticate checks the password of a role and returns the key that it
// unlocks, which the caller wipes. The attempt is counted, durably, before the
// password is looked at, and the count is taken back only after a success: so
// cutting the power never gives a guess for nothing. The HSM's password mutex
// is held.
func (c *call) authenticate(role command.Role, password []byte) ([]byte, error) {
	credential, err := c.countAttempt(role)
	if err != nil {
		return nil, err
	}
	key, err := credential.Open(password, recordRole(role))
	switch {
	case errors.Is(err, auth.ErrWrongPassword):
		return nil, c.hsm.wrongPassword(role)
	case err != nil:
		return nil, err
	}
	if err := c.hsm.resetAttempts(role); err != nil {
		clear(key)
		return nil, err
	}
	return key, nil
}

// countAttempt adds one to the role's attempts and returns its credential.
func (c *call) countAttempt(role command.Role) (credential *auth.Credential, err error) {
	err = c.guarded(func(u *update) error {
		limit, _ := limitOf(role)
		r := &u.state.roles[role]
		if r.credential == nil {
			return command.StatusPINNotInitialized.With("the role has no password yet", "initialise it first")
		}
		if err := u.unlock(limit); err != nil {
			return err
		}
		r.attempts++
		u.records.Urgent = true
		credential = r.credential
		if err := u.disturbTransport(role); err != nil {
			return err
		}
		return u.put(recordAttempts(role), attemptsRecord{r.attempts})
	})
	return credential, err
}

// unlock refuses a locked role, and gives the Auditor new attempts when the
// delay is over.
func (u *update) unlock(limit Limit) error {
	switch {
	case !limit.locked(&u.state):
		return nil
	case limit.Effect != EffectDelay:
		return command.StatusContainerLocked.With("the role is locked", unlocking(limit.Role, &u.state))
	case u.hsm.clock().Sub(u.hsm.delayed) < AuditorDelay:
		return command.StatusAuditLoginTimeout.With("there were too many wrong passwords", "wait a minute")
	}
	u.state.roles[limit.Role].attempts = 0
	return nil
}

// unlocking tells who can unlock a role.
func unlocking(role command.Role, s *state) string {
	switch {
	case role == command.RoleAdministrator:
		return "the HSM SO can reset it"
	case s.policies.hsm.On(policy.ResetPIN):
		return "the Partition SO can reset the Crypto Officer, who can reset the others"
	}
	return "if the Crypto Officer is locked as well, the partition has to be initialised again, since HSM policy 15 is off"
}

func (h *HSM) resetAttempts(role command.Role) error {
	return h.update(func(u *update) error {
		u.state.roles[role].attempts = 0
		u.records.Delete(recordAttempts(role))
		return u.calmTransport(role)
	})
}

// wrongPassword returns the refusal and brings the effect of the last attempt.
func (h *HSM) wrongPassword(role command.Role) error {
	limit, _ := limitOf(role)
	s := h.state.Load()
	if !limit.spent(s) {
		return command.StatusPINIncorrect.With("the password is wrong", attemptsLeft(limit.left(s), role))
	}
	if err := h.punish(limit); err != nil {
		return err
	}
	return limit.Status.With("the password is wrong and that was the last attempt", "")
}

func attemptsLeft(n uint8, role command.Role) string {
	if n == 1 {
		return "one attempt is left for " + role.String()
	}
	return ""
}

// punish brings the effect of a role's last attempt.
func (h *HSM) punish(limit Limit) error {
	return h.update(func(u *update) error {
		switch limit.Effect {
		case EffectZeroizeHSM:
			return u.zeroize(limit.Role)
		case EffectZeroizePartition:
			u.event(command.Event{Code: command.EventZeroized, Role: limit.Role, Text: "the partition is zeroized"})
			return u.erase(&partitionLockout)
		case EffectDelay:
			h.delayed = h.clock()
		}
		u.event(command.Event{Code: command.EventRoleLocked, Role: limit.Role, Text: "the role is locked"})
		return nil
	})
}

// finishPunishment runs at power-on: the power may have been cut between the
// count of the last attempt and its effect. Whether the password was right can
// no longer be known, and an attacker may have seen it fail.
func (h *HSM) finishPunishment() error {
	for _, limit := range limits {
		s := h.state.Load()
		destroys := limit.Effect == EffectZeroizeHSM || limit.Effect == EffectZeroizePartition
		if !destroys || s.roles[limit.Role].credential == nil || !limit.spent(s) {
			continue
		}
		if err := h.punish(limit); err != nil {
			return err
		}
	}
	return nil
}
