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

// roleInit gives a role its first password.
func (c *call) roleInit(r *command.RoleInitRequest) error {
	defer clear(r.Password)
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	info, err := c.subordinate(r.Role)
	if err != nil {
		return err
	}
	if c.hsm.state.Load().roles[r.Role].credential != nil {
		return command.StatusOnceOnly.With(r.Role.String()+" is initialised already", "role-reset gives it another password")
	}
	return c.appoint(info, r.Password)
}

// roleReset gives a role another password, whether it is locked or not. Who is
// logged in with the role is logged out.
func (c *call) roleReset(r *command.RoleResetRequest) error {
	defer clear(r.Password)
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	info, err := c.subordinate(r.Role)
	if err != nil {
		return err
	}
	s := c.hsm.state.Load()
	switch {
	case r.Role == command.RoleAuditor:
		return command.StatusOperationRestricted.With("nobody resets the Auditor", "")
	case s.roles[r.Role].credential == nil:
		return command.StatusPINNotInitialized.With("the role has no password yet", "initialise it")
	case r.Role == command.RoleCO && !s.policies.hsm.On(policy.ResetPIN):
		return command.StatusOperationRestricted.With("HSM policy 15 is off: the Partition SO may not reset the Crypto Officer", "")
	}
	return c.appoint(info, r.Password)
}

// subordinate returns a role whose password the role that is logged in sets.
func (c *call) subordinate(role command.Role) (command.RoleInfo, error) {
	if err := c.roleOfSlot(role); err != nil {
		return command.RoleInfo{}, err
	}
	info, _ := role.Info()
	switch {
	case role == command.RoleSO || role == command.RolePO:
		return info, command.StatusUserTypeInvalid.Withf("%s chooses its password when it is made", role)
	case info.By != command.RoleNone && info.By != c.role():
		return info, command.StatusUserNotLoggedIn.With(info.By.String()+" sets the password of "+role.String(), "log in as "+info.By.String())
	}
	return info, nil
}

// appoint gives a role a password and all its attempts, and the key that its
// work needs: roles that work with keys share that of the partition.
func (c *call) appoint(info command.RoleInfo, password []byte) error {
	if err := c.checkPassword(info.Role, password); err != nil {
		return err
	}
	key, err := c.roleKey(info)
	if err != nil {
		return err
	}
	defer clear(key)
	credential, err := auth.Seal(password, key, recordRole(info.Role), c.hsm.cost, c.hsm.entropy)
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
		due := info.By != command.RoleNone && u.state.policies.hsm.On(policy.ForcePINChange)
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

// setCredential gives a role a password and all its attempts.
func (u *update) setCredential(role command.Role, credential *auth.Credential, due bool) error {
	u.state.roles[role] = roleState{credential: credential, changeDue: due}
	u.records.Delete(recordAttempts(role))
	return u.put(recordRole(role), roleRecord{*credential, due})
}

func (h *HSM) logOutEverywhere(role command.Role) {
	for host := range h.hosts {
		if l := host.logins[role.Slot()].Load(); l != nil && l.role == role {
			host.logOut(role.Slot())
		}
	}
}

// changePassword checks the old password as a login does, failures included.
func (c *call) changePassword(r *command.ChangePasswordRequest) error {
	defer clear(r.Old)
	defer clear(r.New)
	role := c.login.role
	if err := c.checkPassword(role, r.New); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(r.Old, r.New) == 1 {
		return command.StatusPINInvalid.With("the new password is the old one", "choose another")
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	key, err := c.authenticate(role, r.Old)
	if err != nil {
		return err
	}
	defer clear(key)
	credential, err := auth.Seal(r.New, key, recordRole(role), c.hsm.cost, c.hsm.entropy)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		u.after(func() { u.hsm.changeDone(role) })
		return u.setCredential(role, credential, false)
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
	return &command.RoleStateResponse{
		Initialised:  s.roles[r.Role].credential != nil,
		Locked:       limit.locked(s),
		AttemptsLeft: uint(limit.left(s)),
		LoggedIn:     c.login != nil && c.login.role == r.Role,
		ChangeDue:    s.roles[r.Role].changeDue,
	}, nil
}
