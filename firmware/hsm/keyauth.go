package hsm

import (
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/policy"
)

// Per-key authorization. Only partitions of version 1 have it: on others
// templates may name authorization data, and nothing comes of it.

// keyPurpose is bound to every credential of a key.
const keyPurpose = "key"

// authorised is what a session remembers of a key that it may use. It counts for
// one login and for one credential.
type authorised struct {
	login      *login
	credential *auth.Credential
}

// guard gives a new key its authorization data, if the policies want it to have
// any or the template gives it.
func (c *call) guard(d *object.Draft) error {
	defer clear(d.AuthData)
	if !c.allows(policy.PartitionVersion) {
		d.Unassign()
		return nil
	}
	given, assigned := d.AuthData != nil, d.Bool(command.AttrAssigned)
	switch {
	case !d.MayBeGuarded():
		return nil
	case assigned && !given:
		return command.StatusAssignedNeedsAuthData.With("an assigned key needs authorization data", "give auth-data")
	case assigned && c.role() == command.RoleCO:
		return command.StatusCannotMakeAssigned.With("the Crypto Officer makes keys that are not assigned", "assign the key afterwards")
	case !given && c.allows(policy.PerKeyAuthorization):
		return refusedBy(command.StatusAuthDataNotProvided, policy.PerKeyAuthorization, "keys without authorization data")
	case !given:
		return nil
	}
	a, err := c.authorization(d.AuthData)
	d.Guard(a)
	return err
}

// authorization makes what guards a key with authorization data.
func (c *call) authorization(data []byte) (*object.Authorization, error) {
	if err := object.CheckAuthData(data); err != nil {
		return nil, err
	}
	secret, err := mech.Random(16, c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	credential, err := auth.Seal(data, secret, keyPurpose, c.hsm.cost, c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	return &object.Authorization{Credential: credential}, nil
}

// guardable returns a key that can have authorization data.
func (c *call) guardable(handle command.Handle) (*object.Object, error) {
	if !c.allows(policy.PartitionVersion) {
		return nil, refusedBy(command.StatusOperationRestricted, policy.PartitionVersion, "per-key authorization")
	}
	o, err := c.object(handle)
	if err == nil && !o.MayBeGuarded() {
		err = command.StatusKeyCannotBeAuthorized.With("only private and secret keys have authorization data", "")
	}
	return o, err
}

func (c *call) keyAuthorize(r *command.KeyAuthorizeRequest) error {
	defer clear(r.Data)
	if _, err := c.guardable(r.Key); err != nil {
		return err
	}
	if len(r.Data) == 0 {
		return c.update(func(u *update) error {
			u.after(func() { c.session.keys.Delete(r.Key) })
			return nil
		})
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	if err := c.checkAuthData(r.Key, r.Data); err != nil {
		return err
	}
	return c.updateKey(r.Key, func(u *update, o *object.Object) (*object.Object, error) {
		credential := o.Authorization().Credential
		u.after(func() { c.session.keys.Store(r.Key, authorised{c.login, credential}) })
		return forgiven(o), nil
	})
}

// checkAuthData checks the authorization data of a key. Like the attempt to log
// in, this one is counted, durably, before the data is looked at. The HSM's
// password mutex is held; the caller takes the count back after a success.
func (c *call) checkAuthData(handle command.Handle, data []byte) error {
	var a *object.Authorization
	err := c.guarded(func(u *update) error {
		o, err := c.guardable(handle)
		if err != nil {
			return err
		}
		switch a = o.Authorization(); {
		case a == nil:
			return command.StatusKeyCannotBeAuthorized.With("the key has no authorization data", "set some first")
		case a.Locked():
			return command.StatusKeyCannotBeAuthorized.With("the key is locked after wrong authorization data", "the Crypto Officer can unblock it")
		}
		a = &object.Authorization{Credential: a.Credential, Failures: a.Failures + 1}
		u.records.Urgent = true
		return u.replaceObject(c, o.Guarded(a))
	})
	if err != nil {
		return err
	}
	secret, err := a.Credential.Open(data, keyPurpose)
	clear(secret)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, auth.ErrWrongPassword):
		return err
	case a.Locked():
		return command.StatusAuthDataIncorrectLimit.With("the authorization data is wrong and that was the last attempt", "the Crypto Officer can unblock the key")
	}
	return command.StatusAuthDataIncorrect.With("the authorization data is wrong", "")
}

// forgiven returns a key with all its attempts.
func forgiven(o *object.Object) *object.Object {
	a := o.Authorization()
	if a == nil || a.Failures == 0 {
		return o
	}
	return o.Guarded(&object.Authorization{Credential: a.Credential})
}

// updateKey changes a key in one transaction. Where change returns the key it
// was given, nothing is written.
func (c *call) updateKey(handle command.Handle, change func(*update, *object.Object) (*object.Object, error)) error {
	return fullOfObjects(c.update(func(u *update) error {
		o, err := c.guardable(handle)
		if err != nil {
			return err
		}
		changed, err := change(u, o)
		if err != nil || changed == o {
			return err
		}
		return u.replaceObject(c, changed)
	}))
}

// keySetAuthorization changes authorization data, for whoever knows it, or sets
// that of a key without any.
func (c *call) keySetAuthorization(r *command.KeySetAuthorizationRequest) error {
	defer clear(r.Old)
	defer clear(r.New)
	if _, err := c.guardable(r.Key); err != nil {
		return err
	}
	next, err := c.authorization(r.New)
	if err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	o, err := c.guardable(r.Key) // somebody may have set some meanwhile
	if err != nil {
		return err
	}
	if o.Authorization() != nil || len(r.Old) > 0 {
		if err := c.checkAuthData(r.Key, r.Old); err != nil {
			return err
		}
	}
	return c.updateKey(r.Key, func(_ *update, o *object.Object) (*object.Object, error) { return o.Guarded(next), nil })
}

func (c *call) keyResetAuthorization(r *command.KeyResetAuthorizationRequest) error {
	defer clear(r.Data)
	next, err := c.authorization(r.Data)
	if err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.updateKey(r.Key, func(_ *update, o *object.Object) (*object.Object, error) {
		if o.Is(command.AttrAssigned) {
			return nil, command.StatusAssignedCannotBeReset.With("the key is assigned", "only who knows its authorization data can change it")
		}
		return o.Guarded(next), nil
	})
}

func (c *call) keyAssign(r *command.KeyAssignRequest) error {
	return c.updateKey(r.Key, func(_ *update, o *object.Object) (*object.Object, error) {
		switch {
		case o.Authorization() == nil:
			return nil, command.StatusAssignedNeedsAuthData.With("the key has no authorization data", "set some first")
		case o.Is(command.AttrAssigned):
			return nil, command.StatusAssignedUnchangeable.With("the key is assigned already", "")
		}
		return o.Assigned(), nil
	})
}

func (c *call) keyUnblock(r *command.KeyUnblockRequest) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.updateKey(r.Key, func(_ *update, o *object.Object) (*object.Object, error) { return forgiven(o), nil })
}

func (c *call) keyStatus(r *command.KeyStatusRequest) (*command.KeyStatusResponse, error) {
	o, err := c.object(r.Key)
	if err != nil {
		return nil, err
	}
	if !o.IsKey() {
		return nil, command.StatusKeyTypeInconsistent.With("the object is no key", "")
	}
	s := &command.KeyStatusResponse{
		Status: o.Status(c.hsm.clock()), Failures: o.Failures(), FailureLimit: object.MaxAuthFailures,
		Assigned: o.Is(command.AttrAssigned), Authorised: c.isAuthorised(o),
	}
	if o.Uses != nil {
		s.Uses, s.UsageLimit = o.Uses.Used(), o.Uses.Limit()
	}
	return s, nil
}

// isAuthorised reports whether the call's session may use a key, as far as its
// authorization data goes.
func (c *call) isAuthorised(o *object.Object) bool {
	a := o.Authorization()
	if a == nil {
		return true
	}
	v, ok := c.session.keys.Load(o.Handle)
	return ok && v == authorised{c.login, a.Credential}
}
