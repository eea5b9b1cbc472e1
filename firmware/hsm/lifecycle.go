package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/mech"
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

// newRole seals the key of a first role under a password, and the domain, if
// there is one, under the key.
func (h *HSM) newRole(role command.Role, key, password, domain []byte) (credential *auth.Credential, sealed []byte, err error) {
	if err := auth.CheckPassword(password); err != nil {
		return nil, nil, err
	}
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
	key, err := mech.Random(vault.KeySize, c.hsm.entropy)
	if err != nil {
		return err
	}
	defer clear(key)
	credential, domain, err := c.hsm.newRole(command.RoleSO, key, r.Password, r.Domain)
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
		if err := u.putRecovery(key); err != nil {
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
		if _, err := u.changeHSM(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
			return err
		}
		u.event(stateChanged("the HSM is initialised again"))
		if err := u.erase(&softInit); err != nil {
			return err
		}
		u.state.hsm.Label = r.Label
		return nil
	})
}

func (c *call) hsmZeroize() error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error { return u.zeroize(c.role()) })
}

// hsmFactoryReset needs the HSM SO while there is one.
func (c *call) hsmFactoryReset() error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		if u.state.hsm.State == command.HSMInitialised && c.role() != command.RoleSO {
			return notLoggedIn()
		}
		u.event(stateChanged("the HSM is as delivered"))
		return u.erase(&factoryReset)
	})
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
		return u.erase(&partitionRemoval)
	})
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
	key, err := mech.Random(vault.KeySize, c.hsm.entropy)
	if err != nil {
		return err
	}
	defer clear(key)
	credential, domain, err := c.hsm.newRole(command.RolePO, key, r.Password, r.Domain)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		if _, err := u.changePartition(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
			return err
		}
		u.event(stateChanged("the partition is initialised"))
		if err := u.erase(&partitionInit); err != nil {
			return err
		}
		u.state.partition.Label, u.state.partition.Domain = r.Label, domain
		return u.setCredential(command.RolePO, credential, false)
	})
}

func (c *call) mayInitPartition(s *state) error {
	if s.partition.State == command.PartitionInitialised && c.role() != command.RolePO {
		return command.StatusUserNotLoggedIn.With("the partition is initialised already", "its Partition SO must log in to initialise it again")
	}
	return nil
}

func stateChanged(text string) command.Event {
	return command.Event{Code: command.EventStateChanged, Text: text}
}
