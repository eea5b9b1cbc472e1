package hsm

import "usbhsm7/firmware/command"

// entry is a login under way: what was presented, and how the role takes it.
type entry struct {
	hsm    *HSM
	role   command.Role
	secret []byte // a password, or what the keyset gave; nil: the role is activated
	answer []byte // the challenge secret; nil: the role has none
	active []byte // what activates the role after the login; nil: nothing
}

// enter gathers what a role logs in with. If that is a keyset it waits for the
// people who have it; nothing is counted and no lock is held.
func (c *call) enter(r *command.LoginRequest) (*entry, error) {
	e := &entry{hsm: c.hsm, role: r.Role, secret: r.Password}
	if err := c.mayEnter(r); err != nil {
		return nil, err
	}
	s := c.hsm.state.Load()
	role := &s.roles[r.Role]
	if role.method() != command.AuthQuorum {
		return e, nil
	}
	e.secret, e.answer = nil, r.Password
	if role.active != nil {
		return e, nil
	}
	var err error
	e.secret, err = c.askKeyset(s.subject(r.Role))
	return e, err
}

// mayEnter refuses what needs nobody to be asked.
func (c *call) mayEnter(r *command.LoginRequest) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	if err := c.mayLogIn(r.Role); err != nil {
		return err
	}
	s := c.hsm.state.Load()
	if err := c.hsm.admitsAttempt(r.Role, s); err != nil {
		return err
	}
	role := &s.roles[r.Role]
	switch has, given := role.challenge != nil, len(r.Password) > 0; {
	case role.method() != command.AuthQuorum || has == given:
		return nil
	case has:
		return command.StatusChallengeInvalid.With("the role has a challenge secret", "give it in place of a password")
	}
	return command.StatusChallengeNotRequired.With("the role authenticates with iKeys and has no challenge secret", "leave the password out")
}

// open returns the key of the role, as of which r is known.
func (e *entry) open(r *roleState) ([]byte, error) {
	switch {
	case r.method() != command.AuthQuorum || r.challenge == nil:
		return r.credential.Open(e.secret, recordRole(e.role))
	case e.secret != nil:
		return e.openBoth(r)
	case r.active == nil:
		return nil, command.StatusOperationRestricted.With("the role was deactivated meanwhile", "log in again")
	}
	answer, err := r.answer(e.role, e.answer)
	if err != nil {
		return nil, err
	}
	defer clear(answer)
	return e.hsm.openActive(e.role, r.active, answer)
}

// openBoth opens with keyset and challenge secret, and seals what activates the
// role if partition policy 22 is on.
func (e *entry) openBoth(r *roleState) (key []byte, err error) {
	if key, err = r.credential.Open(e.secret, recordRole(e.role)); err != nil {
		return nil, err
	}
	answer, err := r.answer(e.role, e.answer)
	defer clear(answer)
	if err == nil && e.hsm.state.Load().activates() {
		e.active, err = e.hsm.sealActive(e.role, key, answer)
	}
	if err != nil {
		clear(key)
		return nil, err
	}
	return key, nil
}
