package hsm

import (
	"bytes"
	"crypto/subtle"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
)

// roleInit gives a role its first password or keyset.
func (c *call) roleInit(r *command.RoleInitRequest) error {
	defer clear(r.Password)
	return c.appointAs(r.Role, r.Password, c.mayInitRole)
}

func (c *call) mayInitRole(role command.Role) (command.RoleInfo, error) {
	info, err := c.subordinate(role)
	if err == nil && c.hsm.state.Load().roles[role].credential != nil {
		err = command.StatusOnceOnly.With(role.String()+" is initialised already", "role-reset gives it another password")
	}
	return info, err
}

// roleReset gives a role another password or keyset, whether it is locked or not.
// Who is logged in with the role is logged out.
func (c *call) roleReset(r *command.RoleResetRequest) error {
	defer clear(r.Password)
	return c.appointAs(r.Role, r.Password, c.mayResetRole)
}

func (c *call) mayResetRole(role command.Role) (command.RoleInfo, error) {
	info, err := c.subordinate(role)
	if err != nil {
		return info, err
	}
	s := c.hsm.state.Load()
	switch {
	case role == command.RoleAuditor:
		err = command.StatusOperationRestricted.With("nobody resets the Auditor", "")
	case s.roles[role].credential == nil:
		err = uninitialised()
	case role == command.RoleCO && !s.policies.hsm.On(policy.ResetPIN):
		err = command.StatusOperationRestricted.With("HSM policy 15 is off: the Partition SO may not reset the Crypto Officer", "")
	}
	return info, err
}

// appointAs gives a role the password, or the keyset that people make, if may
// permits it: before they are asked, and still when they are done.
func (c *call) appointAs(role command.Role, password []byte, may func(command.Role) (command.RoleInfo, error)) error {
	info, err := may(role)
	if err != nil {
		return err
	}
	s := c.hsm.state.Load()
	given, err := c.newSecret(s.method(), s.subject(role), password)
	if err != nil {
		return err
	}
	defer given.wipe()
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	if _, err := may(role); err != nil {
		return err
	}
	return c.appoint(info, given)
}

// subordinate returns a role whose password the role that is logged in sets.
func (c *call) subordinate(role command.Role) (command.RoleInfo, error) {
	if err := c.roleOfSlot(role); err != nil {
		return command.RoleInfo{}, err
	}
	info, _ := role.Info()
	switch {
	case role == command.RoleSO || role == command.RolePO:
		return info, command.StatusUserTypeInvalid.Withf("%s gets its password or keyset when it is made", role)
	case info.By != command.RoleNone && info.By != c.role():
		return info, command.StatusUserNotLoggedIn.With(info.By.String()+" initialises and resets "+role.String(), "log in as "+info.By.String())
	}
	return info, nil
}

// appoint gives a role a secret and all its attempts, and the key that its work
// needs: roles that work with keys share that of the partition. The HSM's password
// mutex is held.
func (c *call) appoint(info command.RoleInfo, given secret) error {
	key, err := c.roleKey(info)
	if err != nil {
		return err
	}
	defer clear(key)
	credential, err := c.hsm.sealRole(info.Role, given, key)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		u.after(func() { u.hsm.logOutEverywhere(info.Role) })
		if info.Role == command.RoleAuditor {
			if err := u.newAuditSecret(); err != nil {
				return err
			}
		}
		due := given.method == command.AuthPassword && info.By != command.RoleNone && u.state.policies.hsm.On(policy.ForcePINChange)
		return u.setCredential(info.Role, credential, due)
	})
}

// checkPassword checks a new password; that of a role of the partition against
// its policies too.
func (c *call) checkPassword(role command.Role, password []byte) error {
	if role.Slot() == command.SlotAdmin {
		return auth.CheckPassword(password)
	}
	p := &c.hsm.state.Load().policies.partition
	least, most := 255-int(p[policy.MinPINLength]), int(p[policy.MaxPINLength])
	if len(password) < least || len(password) > most {
		return command.StatusPINLenRange.Withf("a password has %d to %d bytes (partition policies 25 and 26)", least, most)
	}
	return auth.CheckPassword(password)
}

// roleKey returns the key that a role's password is to open.
func (c *call) roleKey(info command.RoleInfo) ([]byte, error) {
	if !info.Keys {
		return mech.Random(vault.KeySize, c.hsm.entropy)
	}
	c.hsm.mu.Lock()
	defer c.hsm.mu.Unlock()
	if err := c.stands(); err != nil {
		return nil, err
	}
	return bytes.Clone(c.login.key), nil
}

// setCredential gives a role a password or a keyset, and all its attempts. A
// challenge secret that it had is no more.
func (u *update) setCredential(role command.Role, credential *auth.Credential, due bool) error {
	u.deactivate(role)
	u.state.roles[role] = roleState{credential: credential, changeDue: due}
	u.records.Delete(recordAttempts(role))
	return u.putRole(role)
}

// putRole writes the record of a role.
func (u *update) putRole(role command.Role) error {
	r := &u.state.roles[role]
	return u.put(recordRole(role), roleRecord{*r.credential, r.changeDue, r.challenge, r.answerDue})
}

func (h *HSM) logOutEverywhere(role command.Role) {
	for host := range h.hosts {
		if l := host.logins[role.Slot()].Load(); l != nil && l.role == role {
			host.logOut(role.Slot())
		}
	}
}

// changePassword changes what the role that is logged in authenticates with.
func (c *call) changePassword(r *command.ChangePasswordRequest) error {
	defer clear(r.Old)
	defer clear(r.New)
	role := c.login.role
	own := c.hsm.state.Load().roles[role]
	switch {
	case own.method() != command.AuthQuorum:
		if err := c.checkChange(role, r); err != nil {
			return err
		}
		return c.replace(role, r.Old, secret{command.AuthPassword, r.New})
	case len(r.Old) > 0 || len(r.New) > 0:
		return c.changeChallenge(role, r)
	}
	return c.changeKeyset(role)
}

// checkChange checks a new password, or challenge secret, against the rules and
// the old one.
func (c *call) checkChange(role command.Role, r *command.ChangePasswordRequest) error {
	if err := c.checkPassword(role, r.New); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(r.Old, r.New) == 1 {
		return command.StatusPINInvalid.With("the new password is the old one", "choose another")
	}
	return nil
}

// changeKeyset has people present the keyset of a role and make another one.
func (c *call) changeKeyset(role command.Role) error {
	who := c.hsm.state.Load().subject(role)
	old, err := c.askKeyset(who)
	if err != nil {
		return err
	}
	defer clear(old)
	next, err := c.makeKeyset(who)
	if err != nil {
		return err
	}
	defer clear(next)
	if subtle.ConstantTimeCompare(old, next) == 1 {
		return command.StatusPINInvalid.With("the new keyset is the old one", "make another")
	}
	return c.replace(role, old, secret{command.AuthQuorum, next})
}

// replace checks the old secret of a role as a login does, failures included, and
// seals the role's key under the next one.
func (c *call) replace(role command.Role, old []byte, next secret) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	key, err := c.authenticate(role, old)
	if err != nil {
		return err
	}
	defer clear(key)
	credential, err := c.hsm.sealRole(role, next, key)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		r := &u.state.roles[role]
		r.credential, r.changeDue = credential, false
		if !r.answerDue {
			u.after(func() { u.hsm.changeDone(role) })
		}
		return u.putRole(role)
	})
}

// changeDone makes the logins of a role good for all that the role may do. The
// HSM's mu is held.
func (h *HSM) changeDone(role command.Role) {
	for host := range h.hosts {
		current := &host.logins[role.Slot()]
		if l := current.Load(); l != nil && l.role == role && l.changeDue {
			done := *l
			done.changeDue = false
			current.Store(&done)
		}
	}
}

func (c *call) roleState(r *command.RoleStateRequest) (*command.RoleStateResponse, error) {
	if err := c.roleOfSlot(r.Role); err != nil {
		return nil, err
	}
	s := c.hsm.state.Load()
	limit, _ := limitOf(r.Role)
	role := &s.roles[r.Role]
	answer := &command.RoleStateResponse{
		Initialised:  role.credential != nil,
		Locked:       limit.locked(s),
		AttemptsLeft: uint(limit.left(s)),
		LoggedIn:     c.login != nil && c.login.role == r.Role,
		ChangeDue:    role.changeDue,
		Primary:      role.method(),
		Activated:    role.active != nil,
		ChallengeDue: role.answerDue,
	}
	if role.challenge != nil {
		answer.Secondary = command.AuthPassword
	}
	return answer, nil
}
