package hsm

import (
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/policy"
)

// authenticate checks the password, or what the keyset gave, of a role and returns
// the key that it unlocks, which the caller wipes. The HSM's password mutex is
// held.
func (c *call) authenticate(role command.Role, secret []byte) ([]byte, error) {
	return c.attempt(role, func(r *roleState) ([]byte, error) { return r.credential.Open(secret, recordRole(role)) })
}

// attempt has open look at what was presented for a role and returns what that
// unlocks, which the caller wipes. The attempt is counted, durably, before it is
// looked at, and the count is taken back only after a success: so cutting the
// power never gives a guess for nothing. The HSM's password mutex is held.
func (c *call) attempt(role command.Role, open func(*roleState) ([]byte, error)) ([]byte, error) {
	r, err := c.countAttempt(role)
	if err != nil {
		return nil, err
	}
	key, err := open(&r)
	switch {
	case errors.Is(err, errWrongChallenge):
		return nil, c.hsm.wrongChallenge(role)
	case errors.Is(err, auth.ErrWrongPassword):
		return nil, c.hsm.wrongSecret(role, wrongOf(r.method()))
	case err != nil:
		return nil, err
	}
	if err := c.hsm.resetAttempts(role); err != nil {
		clear(key)
		return nil, err
	}
	return key, nil
}

// countAttempt adds one to the role's attempts and returns what is known of it.
func (c *call) countAttempt(role command.Role) (known roleState, err error) {
	err = c.guarded(func(u *update) error {
		if err := u.hsm.admitsAttempt(role, &u.state); err != nil {
			return err
		}
		r := &u.state.roles[role]
		if limit, _ := limitOf(role); limit.locked(&u.state) {
			r.attempts = 0 // of the Auditor, whose delay is over
		}
		r.attempts++
		u.records.Urgent = true
		known = *r
		if err := u.disturbTransport(role); err != nil {
			return err
		}
		return u.put(recordAttempts(role), attemptsRecord{r.attempts})
	})
	return known, err
}

// admitsAttempt refuses a role that nobody can log in with now. The HSM's password
// mutex is held.
func (h *HSM) admitsAttempt(role command.Role, s *state) error {
	limit, _ := limitOf(role)
	switch {
	case s.roles[role].credential == nil:
		return uninitialised()
	case !limit.locked(s):
		return nil
	case limit.Effect != EffectDelay:
		return command.StatusContainerLocked.With("the role is locked", unlocking(role, s))
	case h.clock().Sub(h.delayed) < AuditorDelay:
		return command.StatusAuditLoginTimeout.With("there were too many wrong passwords", "wait a minute")
	}
	return nil
}

func uninitialised() error {
	return command.StatusPINNotInitialized.With("the role has no password and no keyset yet", "initialise it first")
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

// wrong is a refusal of what was presented.
type wrong struct {
	status command.Status
	text   string
}

// wrongOf returns the refusal of a wrong secret.
func wrongOf(m command.AuthMethod) wrong {
	if m == command.AuthQuorum {
		return wrong{command.StatusPINIncorrect, "the iKeys are those of somebody else"}
	}
	return wrong{command.StatusPINIncorrect, "the password is wrong"}
}

// wrongSecret returns the refusal and brings the effect of the last attempt.
func (h *HSM) wrongSecret(role command.Role, w wrong) error {
	limit, _ := limitOf(role)
	s := h.state.Load()
	if !limit.spent(s) {
		return w.status.With(w.text, attemptsLeft(limit.left(s), role))
	}
	if err := h.punish(limit); err != nil {
		return err
	}
	return limit.Status.With(w.text+" and that was the last attempt", "")
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
