package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
)

// Bounds of labels and domains in bytes.
const (
	maxLabel  = 32
	maxDomain = 128
)

func checkNames(label string, domain []byte) error {
	if len(label) == 0 || len(label) > maxLabel {
		return command.StatusArgumentsBad.With(fmt.Sprintf("a label has 1 to %d bytes", maxLabel), "")
	}
	if len(domain) > maxDomain {
		return command.StatusArgumentsBad.With(fmt.Sprintf("a domain has at most %d bytes", maxDomain), "")
	}
	return nil
}

// newRole makes the key of a first role and seals it under a password, and the
// domain, if there is one, under the key.
func (h *HSM) newRole(role command.Role, password, domain []byte) (credential *auth.Credential, sealed []byte, err error) {
	if err := auth.CheckPassword(password); err != nil {
		return nil, nil, err
	}
	key, err := mech.Random(vault.KeySize, h.entropy)
	if err != nil {
		return nil, nil, err
	}
	defer clear(key)
	if len(domain) > 0 {
		seal, err := vault.NewSealer(key, h.entropy)
		if err != nil {
			return nil, nil, err
		}
		if sealed, err = seal.Seal("domain", domain); err != nil {
			return nil, nil, err
		}
	}
	credential, err = auth.Seal(password, key, recordRole(role), h.cost, h.entropy)
	return credential, sealed, err
}

func (c *call) hsmInit(r *command.HSMInitRequest) error {
	defer clear(r.Password)
	defer clear(r.Domain)
	if err := checkNames(r.Label, r.Domain); err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	if c.hsm.state.Load().hsm.State == command.HSMInitialised {
		return c.softInit(r)
	}
	return c.hardInit(r)
}

// hardInit makes the HSM SO. There is nothing to destroy: factory reset and
// zeroization have left nothing.
func (c *call) hardInit(r *command.HSMInitRequest) error {
	credential, domain, err := c.hsm.newRole(command.RoleSO, r.Password, r.Domain)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		u.state.hsm = hsmRecord{State: command.HSMInitialised, Label: r.Label, Domain: domain, Policies: u.state.hsm.Policies}
		if _, err := u.changeHSM(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
			return err
		}
		u.event(stateChanged("the HSM is initialised"))
		if err := u.put(recordHSM, u.state.hsm); err != nil {
			return err
		}
		return u.setCredential(command.RoleSO, credential, false)
	})
}

// softInit keeps the HSM SO and the domain and destroys the rest.
func (c *call) softInit(r *command.HSMInitRequest) error {
	if c.role() != command.RoleSO {
		return command.StatusUserNotLoggedIn.With("the HSM is initialised already", "the HSM SO must log in to initialise it again")
	}
	if len(r.Password) > 0 || len(r.Domain) > 0 {
		return command.StatusArgumentsBad.With("an initialised HSM keeps its SO's password and its domain", "leave them out")
	}
	return c.update(func(u *update) error {
		u.event(stateChanged("the HSM is initialised again"))
		u.state.hsm.Label = r.Label
		if _, err := u.changeHSM(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
			return err
		}
		return u.removePartition()
	})
}

func (c *call) hsmZeroize() error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error { return u.destroyHSM(command.HSMZeroized, c.role()) })
}

// hsmFactoryReset needs the HSM SO while there is one.
func (c *call) hsmFactoryReset() error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		if u.state.hsm.State == command.HSMInitialised && c.role() != command.RoleSO {
			return notLoggedIn()
		}
		return u.destroyHSM(command.HSMFactory, command.RoleNone)
	})
}

// destroyHSM destroys all keys and the roles that hold them. A factory reset
// leaves nothing else either; a zeroized HSM keeps its policies and its Auditor.
// All logins and all sessions with the partition end.
func (u *update) destroyHSM(next command.HSMState, by command.Role) error {
	was := u.state
	u.state = state{hsm: hsmRecord{State: next}}
	u.destroy = true
	u.after(u.hsm.dropAll)
	if next == command.HSMFactory {
		u.dropAudit()
		u.event(stateChanged("the HSM is as delivered"))
		return u.put(recordHSM, u.state.hsm)
	}
	u.event(command.Event{Code: command.EventZeroized, Role: by, Text: "the HSM is zeroized"})
	u.state.hsm.Policies = was.hsm.Policies
	u.state.roles[command.RoleAuditor] = was.roles[command.RoleAuditor]
	if err := u.put(recordHSM, u.state.hsm); err != nil {
		return err
	}
	return u.keepRoles(command.RoleAuditor)
}

func (c *call) partitionCreate() error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		if u.state.partition.State != command.PartitionAbsent {
			return command.StatusTooManyContainers.With("the partition exists already", "delete it first")
		}
		u.state.partition = partitionRecord{State: command.PartitionCreated}
		u.event(stateChanged("the partition is created"))
		return u.put(recordPartition, u.state.partition)
	})
}

func (c *call) partitionDelete() error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		if u.state.partition.State == command.PartitionAbsent {
			return command.StatusTokenNotPresent.With("there is no partition", "")
		}
		u.event(stateChanged("the partition is deleted"))
		return u.removePartition()
	})
}

// removePartition destroys the partition and ends the sessions with it.
func (u *update) removePartition() error {
	u.after(u.hsm.closePartition)
	return u.clearPartition(partitionRecord{})
}

// clearPartition destroys objects and roles of the partition, keeps what
// belongs to the HSM SO, and gives the partition a new record unless it is to
// be absent.
func (u *update) clearPartition(next partitionRecord) error {
	u.destroy = true
	u.state.partition = next
	for _, role := range command.Roles {
		if role.Slot() == command.SlotPartition {
			u.state.roles[role] = roleState{}
		}
	}
	u.after(u.hsm.dropPartition)
	if next.State != command.PartitionAbsent {
		if err := u.put(recordPartition, next); err != nil {
			return err
		}
	}
	if err := u.put(recordHSM, u.state.hsm); err != nil {
		return err
	}
	return u.keepRoles(command.RoleSO, command.RoleAdministrator, command.RoleAuditor)
}

// destroyObjects destroys the objects of the partition and nothing else.
func (u *update) destroyObjects() error {
	u.destroy = true
	u.event(command.Event{Code: command.EventZeroized, Text: "the objects of the partition are destroyed"})
	u.after(u.hsm.dropPartition)
	if err := u.put(recordPartition, u.state.partition); err != nil {
		return err
	}
	if err := u.put(recordHSM, u.state.hsm); err != nil {
		return err
	}
	return u.keepRoles(command.Roles...)
}

// keepRoles carries roles, and the audit log, over a destroying change.
func (u *update) keepRoles(roles ...command.Role) error {
	if err := u.keepAudit(); err != nil {
		return err
	}
	for _, role := range roles {
		if err := u.keep(recordRole(role), recordAttempts(role)); err != nil {
			return err
		}
	}
	return nil
}

// destroyPartition takes the partition back to a state without roles.
func (u *update) destroyPartition(next command.PartitionState, by command.Role) error {
	u.event(command.Event{Code: command.EventZeroized, Role: by, Text: "the partition is zeroized"})
	return u.clearPartition(partitionRecord{State: next, Policies: u.state.partition.Policies})
}

// partitionInit makes the Partition SO and a new partition key. An initialised
// partition wants its Partition SO for that, and loses its objects.
func (c *call) partitionInit(r *command.PartitionInitRequest) error {
	defer clear(r.Password)
	defer clear(r.Domain)
	if err := checkNames(r.Label, r.Domain); err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	if err := c.mayInitPartition(c.hsm.state.Load()); err != nil {
		return err
	}
	if err := c.checkPassword(command.RolePO, r.Password); err != nil {
		return err
	}
	credential, domain, err := c.hsm.newRole(command.RolePO, r.Password, r.Domain)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		u.state.partition = partitionRecord{
			State: command.PartitionInitialised, Label: r.Label, Domain: domain, Policies: u.state.partition.Policies,
		}
		if _, err := u.changePartition(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
			return err
		}
		u.event(stateChanged("the partition is initialised"))
		if err := u.clearPartition(u.state.partition); err != nil {
			return err
		}
		return u.setCredential(command.RolePO, credential, false)
	})
}

func (c *call) mayInitPartition(s *state) error {
	if s.partition.State == command.PartitionInitialised && c.role() != command.RolePO {
		return command.StatusUserNotLoggedIn.With("the partition is initialised already", "its Partition SO must log in to initialise it again")
	}
	return nil
}

// dropPartition forgets all that was read from the partition; the HSM's mu is
// held, as it is for the functions below.
func (h *HSM) dropPartition() {
	for host := range h.hosts {
		host.logOut(command.SlotPartition)
		host.dropObjects(func(*object.Object) bool { return true })
	}
	h.publish(object.Set{})
	h.stored.Store(0)
	h.lastToken = 0
}

func (h *HSM) closePartition() {
	for host := range h.hosts {
		host.closeSessions(command.SlotPartition)
	}
}

func (h *HSM) dropAll() {
	h.dropPartition()
	h.closePartition()
	for host := range h.hosts {
		host.logOut(command.SlotAdmin)
	}
}

func stateChanged(text string) command.Event {
	return command.Event{Code: command.EventStateChanged, Text: text}
}
