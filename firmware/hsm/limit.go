package hsm

import (
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// Effect is what happens when a role has no attempts left.
type Effect uint8

const (
	EffectZeroizeHSM       Effect = iota // everything is destroyed
	EffectZeroizePartition               // objects and roles of the partition are destroyed
	EffectLock                           // the role is locked until the role above it resets it
	EffectDelay                          // the role is locked for AuditorDelay
)

// AuditorDelay is how long the Auditor has to wait after too many wrong
// passwords, by the device's clock; a restart begins it anew.
const AuditorDelay = time.Minute

// Limit says how many wrong passwords in a row a role has, and what the last
// one brings.
type Limit struct {
	Role     command.Role
	Attempts uint8
	Effect   Effect
	Status   command.Status // of the last attempt
	Policy   policy.ID      // of the partition, that sets Attempts; 0 = none does
	Evidence string         // where the figure comes from
}

// Limits has one row for each role.
func Limits() []Limit { return limits[:] }

var limits = [...]Limit{
	{command.RoleSO, 3, EffectZeroizeHSM, command.StatusSOLoginFailureThreshold, 0, "product documentation, hsm_login"},
	{command.RoleAdministrator, 10, EffectLock, command.StatusPINIncorrectLocked, 0, "chosen as for the Crypto Officer"},
	{command.RoleAuditor, 3, EffectDelay, command.StatusAuditLoginThreshold, 0, "remembered: 3 attempts, then 60 s"},
	{command.RolePO, 10, EffectZeroizePartition, command.StatusPINIncorrectZeroized, 0, "product overview"},
	{command.RoleCO, 10, EffectLock, command.StatusPINIncorrectLocked, policy.MaxFailedLogins, "product overview, partition policy 20; locks lco and cu too"},
	{command.RoleLCO, 10, EffectLock, command.StatusPINIncorrectLocked, policy.MaxFailedLogins, "as for the Crypto User"},
	{command.RoleCU, 10, EffectLock, command.StatusPINIncorrectLocked, policy.MaxFailedLogins, "product overview, partition policy 20"},
}

// limitOf returns the row of a role; ok tells whether it is a role that can log
// in.
func limitOf(r command.Role) (l Limit, ok bool) {
	if _, ok := r.Info(); !ok {
		return Limit{}, false
	}
	return limits[r-1], true
}

// attempts returns how many the role has in a state.
func (l Limit) attempts(s *state) uint8 {
	if l.Policy != 0 {
		return uint8(s.policies.partition[l.Policy])
	}
	return l.Attempts
}

// left returns how many attempts the role still has.
func (l Limit) left(s *state) uint8 {
	return l.attempts(s) - min(s.roles[l.Role].attempts, l.attempts(s))
}

// spent reports whether the role has no attempts left.
func (l Limit) spent(s *state) bool { return l.left(s) == 0 }

// locked reports whether the role is locked, by itself or with the Crypto
// Officer.
func (l Limit) locked(s *state) bool {
	if l.Role == command.RoleLCO || l.Role == command.RoleCU {
		officer, _ := limitOf(command.RoleCO)
		return l.spent(s) || officer.spent(s)
	}
	return l.spent(s)
}
