package hsm

import (
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
		return command.StatusArgumentsBad.Withf("a label has 1 to %d bytes", maxLabel)
	}
	if len(domain) > maxDomain {
		return command.StatusArgumentsBad.Withf("a domain has at most %d bytes", maxDomain)
	}
	return nil
}

// founding is the first role of the HSM or of its partition under way, with the
// domain that comes with it.
type founding struct {
	key        []byte // of the role
	credential *auth.Credential
	domain     []byte // sealed under the key
}

// found makes the key of a first role and seals it under the role's secret, and
// the domain under the key. The caller wipes the key.
func (h *HSM) found(role command.Role, s secret, domain []byte) (f founding, err error) {
	if f.key, err = mech.Random(vault.KeySize, h.entropy); err != nil {
		return f, err
	}
	if f.domain, err = h.sealDomain(f.key, domain); err != nil {
		return f, err
	}
	f.credential, err = h.sealRole(role, s, f.key)
	return f, err
}

// hsmInit has people make keysets, with quorum authentication, before it takes
// the lock, and then looks again.
func (c *call) hsmInit(r *command.HSMInitRequest) error {
	defer clear(r.Password)
	defer clear(r.Domain)
	if err := checkNames(r.Label, r.Domain); err != nil {
		return err
	}
	if c.isInitialised() {
		return c.softInit(r)
	}
	method, err := methodOf(r)
	if err != nil {
		return err
	}
	next := c.imagine()
	next.state.hsm.Method = method
	if _, err := next.changeHSM(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
		return err
	}
	who := Subject{Role: command.RoleSO, Label: r.Label}
	so, err := c.newSecret(method, who, r.Password)
	if err != nil {
		return err
	}
	defer so.wipe()
	domain, err := c.newDomain(method, who, r.Domain)
	if err != nil {
		return err
	}
	defer clear(domain)
	return c.hardInit(r, so, domain)
}

// imagine returns a change that is never made. It tells what a real one would be
// refused for, before people are asked to do anything for it.
func (c *call) imagine() *update { return &update{hsm: c.hsm, state: *c.hsm.state.Load()} }

func (c *call) isInitialised() bool { return c.hsm.state.Load().hsm.State == command.HSMInitialised }

// methodOf returns the authentication that a request asks for.
func methodOf(r *command.HSMInitRequest) (command.AuthMethod, error) {
	switch r.Method {
	case command.AuthNone:
		return command.AuthPassword, nil
	case command.AuthPassword, command.AuthQuorum:
		return r.Method, nil
	}
	return r.Method, command.StatusArgumentsBad.Withf("there is no authentication method %d", r.Method)
}

// hardInit makes the HSM SO. There is nothing to destroy: factory reset and
// zeroization have left nothing.
func (c *call) hardInit(r *command.HSMInitRequest, so secret, domain []byte) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	f, err := c.hsm.found(command.RoleSO, so, domain)
	defer clear(f.key)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		if u.state.hsm.State == command.HSMInitialised {
			return initialisedAlready()
		}
		u.state.hsm = hsmRecord{State: command.HSMInitialised, Label: r.Label, Domain: f.domain, Policies: u.state.hsm.Policies, Method: so.method}
		if _, err := u.changeHSM(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
			return err
		}
		u.event(stateChanged("the HSM is initialised"))
		if err := u.put(recordHSM, u.state.hsm); err != nil {
			return err
		}
		if err := u.putRecovery(f.key); err != nil {
			return err
		}
		return u.setCredential(command.RoleSO, f.credential, false)
	})
}

// softInit keeps the HSM SO, how roles authenticate, and the domain, and destroys
// the rest.
func (c *call) softInit(r *command.HSMInitRequest) error {
	if c.role() != command.RoleSO {
		return initialisedAlready()
	}
	if len(r.Password) > 0 || len(r.Domain) > 0 {
		return command.StatusArgumentsBad.With("an initialised HSM keeps its SO's password and its domain", "leave them out")
	}
	if r.Method != command.AuthNone && r.Method != c.hsm.state.Load().method() {
		return command.StatusArgumentsBad.With("an initialised HSM keeps its authentication method", "only a factory reset or zeroization lets it have another")
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
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

func initialisedAlready() error {
	return command.StatusUserNotLoggedIn.With("the HSM is initialised already", "the HSM SO must log in to initialise it again")
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
	if err := c.mayInitPartition(c.hsm.state.Load()); err != nil {
		return err
	}
	if _, err := c.imagine().changePartition(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
		return err
	}
	who, method := Subject{Role: command.RolePO, Label: r.Label}, c.hsm.state.Load().method()
	po, err := c.newSecret(method, who, r.Password)
	if err != nil {
		return err
	}
	defer po.wipe()
	domain, err := c.newDomain(method, who, r.Domain)
	if err != nil {
		return err
	}
	defer clear(domain)
	return c.foundPartition(r, po, domain)
}

// foundPartition makes the Partition SO and destroys what was in the partition.
func (c *call) foundPartition(r *command.PartitionInitRequest, po secret, domain []byte) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	f, err := c.hsm.found(command.RolePO, po, domain)
	defer clear(f.key)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		if err := c.mayInitPartition(&u.state); err != nil {
			return err
		}
		if _, err := u.changePartition(policy.Request{Settings: r.Policies, Empty: true}); err != nil {
			return err
		}
		u.event(stateChanged("the partition is initialised"))
		if err := u.erase(&partitionInit); err != nil {
			return err
		}
		u.state.partition.Label, u.state.partition.Domain = r.Label, f.domain
		return u.setCredential(command.RolePO, f.credential, false)
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
