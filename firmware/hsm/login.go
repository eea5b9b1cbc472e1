package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/vault"
)

func (c *call) logIn(r *command.LoginRequest) error {
	defer clear(r.Password)
	c.subject = r.Role
	e, err := c.enter(r)
	if err != nil {
		return err
	}
	defer clear(e.secret)
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	if err := c.mayLogIn(r.Role); err != nil {
		return err
	}
	c.login = nil // whoever was logged in when the call began has left
	key, err := c.attempt(r.Role, e.open)
	if err != nil {
		return err
	}
	seal, err := vault.NewSealer(key, c.hsm.entropy)
	if err != nil {
		return err
	}
	role := &c.hsm.state.Load().roles[r.Role]
	return c.publishLogin(&login{role: r.Role, key: key, seal: seal, changeDue: role.changeDue || role.answerDue}, e.active)
}

// mayLogIn checks that the role is one of the slot, and that nobody else is
// logged in.
func (c *call) mayLogIn(role command.Role) error {
	if err := c.roleOfSlot(role); err != nil {
		return err
	}
	current := c.host.logins[c.session.slot].Load()
	switch {
	case current == nil:
		return nil
	case current.role == role:
		return command.StatusUserAlreadyLoggedIn.Withf("%s is logged in already", role)
	}
	return command.StatusOtherUserLoggedIn.With(fmt.Sprintf("%s is logged in", current.role), "log out first")
}

func (c *call) roleOfSlot(role command.Role) error {
	if _, ok := limitOf(role); !ok || role.Slot() != c.session.slot {
		return command.StatusUserTypeInvalid.With(fmt.Sprintf("%s is not a role of this slot", role), "so, administrator and auditor are roles of slot 1, po, co, lco and cu of slot 0")
	}
	return c.hsm.state.Load().admitsRole(role)
}

// publishLogin makes the login count. The first role that works with keys brings
// the private objects with it. Active is what activates the role; nil: nothing does.
func (c *call) publishLogin(l *login, active []byte) error {
	slot := c.session.slot
	err := c.update(func(u *update) error {
		if err := u.activate(l.role, active); err != nil {
			return err
		}
		if l.holdsKeys() {
			if err := u.admitKeyHolder(l); err != nil {
				return err
			}
		}
		u.after(func() { c.host.logins[slot].Store(l) })
		return nil
	})
	if err != nil {
		clear(l.key)
	}
	return err
}

func (u *update) admitKeyHolder(l *login) error {
	h := u.hsm
	set := *h.tokens.Load()
	if h.keyHolders == 0 {
		var err error
		if set, err = h.loadPrivate(l.seal); err != nil {
			return err
		}
	}
	u.after(func() {
		h.keyHolders++
		h.publish(set)
	})
	return nil
}

func (c *call) logOut() error {
	return c.update(func(u *update) error {
		if c.login == nil {
			return command.StatusUserNotLoggedIn.With("nobody is logged in", "")
		}
		u.after(func() { c.host.logOut(c.session.slot) })
		return nil
	})
}

// logOut forgets a login with its private session objects, and the private
// token objects when nobody else who works with them is logged in. Operations of
// its sessions end. The HSM's mu is held.
func (h *Host) logOut(slot command.Slot) {
	l := h.logins[slot].Swap(nil)
	if l == nil {
		return
	}
	clear(l.key)
	h.eachSession(slot, (*session).dropAll)
	if !l.holdsKeys() {
		return
	}
	h.dropObjects(func(o *object.Object) bool { return o.Private })
	if h.hsm.keyHolders--; h.hsm.keyHolders == 0 {
		h.hsm.publish(h.hsm.tokens.Load().Where(func(o *object.Object) bool { return !o.Private }))
	}
}
