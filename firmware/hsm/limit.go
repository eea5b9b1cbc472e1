package hsm

import "usbhsm7/firmware/command"

// Effect is what happens when a role has no attempts left.
type Effect uint8

const (
	EffectZeroizeHSM       Effect = iota // everything is destroyed
	EffectZeroizePartition               // objects and roles of the partition are destroyed
	EffectLock                           // the role is locked until the Partition SO sets a new password
)

// Limit says how many wrong passwords in a row a role has, and what the last
// one brings.
type Limit struct {
	Role     command.Role
	Attempts uint8
	Effect   Effect
	Status   command.Status // of the last attempt
	Evidence string         // where the figure comes from
}

// Limits has one row for each role.
func Limits() []Limit { return limits[:] }

var limits = [...]Limit{
	{command.RoleSO, 3, EffectZeroizeHSM, command.StatusSOLoginFailureThreshold, "product documentation, hsm_login"},
	{command.RolePO, 10, EffectZeroizePartition, command.StatusPINIncorrectZeroized, "product overview"},
	{command.RoleCO, 10, EffectLock, command.StatusPINIncorrectLocked, "product overview, partition policy 20; unlocking by the Partition SO is inferred"},
}

func limitOf(r command.Role) (Limit, bool) {
	for _, l := range limits {
		if l.Role == r {
			return l, true
		}
	}
	return Limit{}, false
}

// spent reports whether the role has no attempts left.
func (l Limit) spent(s *state) bool { return s.roles[l.Role].attempts >= l.Attempts }
