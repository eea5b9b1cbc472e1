package hsm

import (
	"math"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// policies are the values in force of both tables; those of the partition are
// what the HSM's leave of them.
type policies struct {
	hsm, partition policy.Values
	usable         usables // follows from the others
}

// derive makes what follows from the records, as the firmware reads them.
func (s *state) derive(f *Firmware) {
	was := s.policies
	s.policies.hsm = f.HSM.Load(s.hsm.Policies)
	s.policies.hsm[policy.PasswordAuthentication], s.policies.hsm[policy.QuorumAuthentication] = 0, 0
	if s.hsm.State == command.HSMInitialised {
		s.policies.hsm[policyOf[s.method()]] = 1
	}
	s.policies.partition = f.Partition.Under(f.Partition.Load(s.partition.Policies), &s.policies.hsm)
	s.halt = s.halted()
	if f.Lost != "" {
		s.halt |= command.HaltRecovery
	}
	s.policies.usable = s.policies.usables(was, f)
}

// policyOf has the policy that shows each method.
var policyOf = map[command.AuthMethod]policy.ID{
	command.AuthPassword: policy.PasswordAuthentication,
	command.AuthQuorum:   policy.QuorumAuthentication,
}

func (c *call) hsmPolicies() (*command.PoliciesResponse, error) {
	return describe(c.hsm.firmware.HSM, &c.hsm.state.Load().policies.hsm), nil
}

func (c *call) partitionPolicies() (*command.PoliciesResponse, error) {
	return describe(c.hsm.firmware.Partition, &c.hsm.state.Load().policies.partition), nil
}

// describe lists a table with the values in force.
func describe(t policy.Table, v *policy.Values) *command.PoliciesResponse {
	list := make([]command.PolicyInfo, len(t))
	for i := range t {
		p := &t[i]
		list[i] = command.PolicyInfo{
			ID: p.ID, Name: p.Name, Capability: p.Capability, Value: v[p.ID],
			Changeable: p.Changeable(), Destructive: uint8(p.Destroys),
		}
	}
	return &command.PoliciesResponse{Policies: list}
}

// hsmPolicyChange changes policies of the HSM. A destructive change takes the
// partition with it.
func (c *call) hsmPolicyChange(r *command.PolicyChangeRequest) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		destroys, err := u.changeHSM(policy.Request{Settings: r.Settings, Destructive: r.Destructive})
		if err != nil {
			return err
		}
		u.event(stateChanged("policies of the HSM are changed"))
		if destroys {
			return u.erase(&policyDestruction)
		}
		return u.put(recordHSM, u.state.hsm)
	})
}

// changeHSM changes the HSM's record, which the caller writes.
func (u *update) changeHSM(r policy.Request) (destroys bool, err error) {
	r.Quorum = u.state.method() == command.AuthQuorum
	table := u.hsm.firmware.HSM
	next, destroys, err := table.Change(table.Load(u.state.hsm.Policies), r)
	u.state.hsm.Policies = table.Settings(&next)
	if err == nil && next.On(policy.FunctionalModules) {
		u.noteModules()
	}
	return destroys, err
}

// partitionPolicyChange changes policies of the partition. A destructive change
// takes its objects and leaves its roles.
func (c *call) partitionPolicyChange(r *command.PolicyChangeRequest) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error {
		locked := u.lockedByPolicy()
		destroys, err := u.changePartition(policy.Request{Settings: r.Settings, Destructive: r.Destructive})
		if err != nil {
			return err
		}
		u.event(stateChanged("policies of the partition are changed"))
		if destroys {
			u.event(command.Event{Code: command.EventZeroized, Text: "the objects of the partition are destroyed"})
			err = u.erase(&partitionPolicyChange)
		} else {
			err = u.put(recordPartition, u.state.partition)
		}
		if err != nil {
			return err
		}
		if err := u.settleActivation(); err != nil {
			return err
		}
		return u.keepLocked(locked)
	})
}

// lockedByPolicy returns the roles that have used up the attempts that a policy
// gives them.
func (u *update) lockedByPolicy() (locked []command.Role) {
	for _, limit := range limits {
		if limit.Policy != 0 && limit.spent(&u.state) {
			locked = append(locked, limit.Role)
		}
	}
	return locked
}

// keepLocked keeps roles locked whatever attempts the policy gives them now: only
// a reset unlocks, and HSM policy 15 may forbid that.
func (u *update) keepLocked(locked []command.Role) error {
	for _, role := range locked {
		u.state.roles[role].attempts = math.MaxUint8
		if err := u.put(recordAttempts(role), attemptsRecord{math.MaxUint8}); err != nil {
			return err
		}
	}
	return nil
}

// changePartition changes the partition's record, which the caller writes.
func (u *update) changePartition(r policy.Request) (destroys bool, err error) {
	above, table := u.hsm.firmware.HSM.Load(u.state.hsm.Policies), u.hsm.firmware.Partition
	r.Above, r.Quorum = &above, u.state.method() == command.AuthQuorum
	next, destroys, err := table.Change(table.Load(u.state.partition.Policies), r)
	if least := 255 - next[policy.MinPINLength]; err == nil && least > next[policy.MaxPINLength] {
		return false, command.StatusPolicyDependency.Withf("no password has %d bytes at least (policy 25) and %d at most (policy 26)", least, next[policy.MaxPINLength])
	}
	u.state.partition.Policies = table.Settings(&next)
	return destroys, err
}
