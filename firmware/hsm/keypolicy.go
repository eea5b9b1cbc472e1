package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/policy"
)

// What the partition's policies say of objects. Each function is asked when a
// command begins; a change of policy counts for the commands after it.

// allows reports whether a switch of the partition is on.
func (c *call) allows(id policy.ID) bool { return c.hsm.state.Load().policies.partition.On(id) }

// refusedBy names the policy that does not permit something.
func refusedBy(status command.Status, id policy.ID, what string) error {
	return status.With(fmt.Sprintf("partition policy %d does not permit %s", id, what), "the Partition SO may change it")
}

// permitsKey checks a new key.
func (c *call) permitsKey(d object.Draft) error {
	switch {
	case !c.allows(policy.KeyManagement):
		return refusedBy(command.StatusOperationRestricted, policy.KeyManagement, "to make keys")
	case !c.allows(policy.MultipurposeKeys) && d.Purposes() > 1:
		return refusedBy(command.StatusMultiFunctionKey, policy.MultipurposeKeys, "keys with more than one kind of use")
	case !c.allows(policy.StartEndDates) && d.HasDates():
		return refusedBy(command.StatusOperationRestricted, policy.StartEndDates, "dates")
	}
	return nil
}

// permitsImport checks whether a key may come in as it is, outside of any
// wrapping. Like the real product, the FIPS configuration wants keys wrapped.
func (c *call) permitsImport(class uint64) error {
	unwrapping := map[uint64]policy.ID{
		command.ClassPrivateKey: policy.PrivateKeyUnwrapping, command.ClassSecretKey: policy.SecretKeyUnwrapping,
	}
	id, hidden := unwrapping[class]
	switch {
	case !hidden:
		return nil
	case !c.allows(policy.PartitionNonFIPS):
		return refusedBy(command.StatusOperationRestricted, policy.PartitionNonFIPS, "keys in clear; unwrap them")
	case !c.allows(id):
		return refusedBy(command.StatusOperationRestricted, id, "to import such a key")
	}
	return nil
}

// permitsCopy checks what is to be copied, and the template.
func (c *call) permitsCopy(o *object.Object, t command.Template) error {
	switch {
	case o.Is(command.AttrAssigned):
		return command.StatusAssignedUnchangeable.With("the key is assigned", "")
	case !c.isAuthorised(o):
		return command.StatusKeyNotAuthorized.With("the session has not authorised the key, and a copy would have attempts of its own", "authorise it with its authorization data")
	case o.Uses != nil:
		return command.StatusOperationRestricted.With("a key with a usage-limit is not copied: the copy would have uses of its own", "")
	}
	if _, ok := t[command.AttrTrusted]; ok {
		return command.StatusAttributeReadOnly.With("trusted is not for whoever makes objects to say", "leave it out")
	}
	return c.permitsChangeOfUse(t)
}

// permitsChange checks attributes that are to be changed. The Partition SO says
// what is trusted, and changes nothing else; nobody else says it.
func (c *call) permitsChange(o *object.Object, t command.Template) error {
	if o.Is(command.AttrAssigned) {
		return command.StatusAssignedUnchangeable.With("the key is assigned", "")
	}
	_, trusts := t[command.AttrTrusted]
	officer := c.role() == command.RolePO
	switch {
	case trusts && !officer:
		return command.StatusAttributeReadOnly.With("only the Partition SO says what is trusted", "log in as po")
	case officer && (!trusts || len(t) > 1):
		return command.StatusUserNotLoggedIn.With("the Partition SO changes nothing but trusted", "log in as co")
	}
	return c.permitsChangeOfUse(t)
}

// permitsChanged checks an object as it will be.
func (c *call) permitsChanged(o *object.Object) error {
	if !c.allows(policy.MultipurposeKeys) && o.Purposes() > 1 {
		return refusedBy(command.StatusMultiFunctionKey, policy.MultipurposeKeys, "keys with more than one kind of use")
	}
	return nil
}

func (c *call) permitsChangeOfUse(t command.Template) error {
	for typ := range t {
		switch {
		case object.IsUse(typ) && !c.allows(policy.ChangeKeyAttributes):
			return refusedBy(command.StatusCanNotChangeFunction, policy.ChangeKeyAttributes, "to change what a key may be used for")
		case object.IsDate(typ) && t.Text(typ) != "" && !c.allows(policy.StartEndDates):
			return refusedBy(command.StatusOperationRestricted, policy.StartEndDates, "dates")
		}
	}
	return nil
}

// permitsDestruction checks whether an object may be destroyed.
func (c *call) permitsDestruction(o *object.Object) error {
	switch {
	case !o.Is(command.AttrDestroyable):
		return command.StatusOperationRestricted.With("the object is not destroyable", "set destroyable to true, if it is modifiable")
	case c.role() == command.RoleLCO && (o.Authorization() == nil || !c.isAuthorised(o)):
		return command.StatusKeyNotAuthorized.With("the Limited Crypto Officer destroys only keys that have authorization data and that it has authorised", "authorise the key, or log in as co")
	case o.IsKey() && !c.allows(policy.KeyManagement):
		return refusedBy(command.StatusOperationRestricted, policy.KeyManagement, "to destroy keys")
	}
	return nil
}

// mayUse checks whether a key may be used as it stands.
func (c *call) mayUse(o *object.Object, op operation) error {
	if op.use == command.UseSign && !o.Is(command.AttrLocal) && !c.allows(policy.SignNonLocalKeys) {
		return refusedBy(command.StatusSigningKeyMustBeLocal, policy.SignNonLocalKeys, "to sign with a key that was not made here")
	}
	if !o.Restricted() {
		return nil
	}
	if s := o.Status(c.hsm.clock()); s.Locked() {
		return notActive(s)
	}
	if !c.isAuthorised(o) {
		return command.StatusKeyNotAuthorized.With("the session has not authorised the key", "authorise it with its authorization data")
	}
	return nil
}
