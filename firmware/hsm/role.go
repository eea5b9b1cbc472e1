package hsm

import (
	"bytes"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
)

// roleInit gives the Crypto Officer a password, whether it had none, is locked
// or is to have another. Crypto Officers that are logged in are logged out.
func (c *call) roleInit(r *command.RoleInitRequest) error {
	defer clear(r.Password)
	if r.Role != command.RoleCO {
		return command.StatusUserTypeInvalid.With("the Partition SO initialises co only", "")
	}
	if err := auth.CheckPassword(r.Password); err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	key, err := c.loginKey()
	if err != nil {
		return err
	}
	defer clear(key)
	credential, err := auth.Seal(r.Password, key, recordRole(r.Role), c.hsm.entropy)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		u.after(func() { u.hsm.logOutEverywhere(r.Role) })
		return u.setCredential(r.Role, credential)
	})
}

// loginKey returns a copy of the key of the call's login.
func (c *call) loginKey() ([]byte, error) {
	c.hsm.mu.Lock()
	defer c.hsm.mu.Unlock()
	if err := c.stands(); err != nil {
		return nil, err
	}
	return bytes.Clone(c.login.key), nil
}

// setCredential gives a role a password and all its attempts.
func (u *update) setCredential(role command.Role, credential *auth.Credential) error {
	u.state.roles[role] = roleState{credential: credential}
	u.records.Delete(recordAttempts(role))
	return u.put(recordRole(role), credential)
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
	if err := auth.CheckPassword(r.New); err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	role := c.role()
	key, err := c.authenticate(role, r.Old)
	if err != nil {
		return err
	}
	defer clear(key)
	credential, err := auth.Seal(r.New, key, recordRole(role), c.hsm.entropy)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error { return u.setCredential(role, credential) })
}

func (c *call) roleState(r *command.RoleStateRequest) (*command.RoleStateResponse, error) {
	if err := c.roleOfSlot(r.Role); err != nil {
		return nil, err
	}
	s := c.hsm.state.Load()
	limit, _ := limitOf(r.Role)
	attempts := min(s.roles[r.Role].attempts, limit.Attempts)
	return &command.RoleStateResponse{
		Initialised:  s.roles[r.Role].credential != nil,
		Locked:       limit.spent(s),
		AttemptsLeft: uint(limit.Attempts - attempts),
		LoggedIn:     c.role() == r.Role,
	}, nil
}
