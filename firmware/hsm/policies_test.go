package hsm_test

import (
	"strings"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// partitionPolicy changes a policy of the partition, as the Partition SO, and
// then lets the Crypto Officer in.
func (u *unit) partitionPolicy(id policy.ID, value uint16, destructive bool) {
	u.t.Helper()
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.ok(command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{
		Settings: []command.PolicySetting{{ID: id, Value: value}}, Destructive: destructive,
	}, nil)
	if !destructive { // that one logs everybody out
		u.ok(command.CodeLogout, u.user, nil, nil)
	}
	u.logIn(command.RoleCO)
}

func (u *unit) hsmPolicy(id policy.ID, value uint16, destructive bool) {
	u.t.Helper()
	u.ok(command.CodeHSMPolicyChange, u.admin, &command.PolicyChangeRequest{
		Settings: []command.PolicySetting{{ID: id, Value: value}}, Destructive: destructive,
	}, nil)
}

// value returns a policy in force.
func (u *unit) value(session uint32, id policy.ID) uint16 {
	u.t.Helper()
	code := command.CodeHSMPolicies
	if session == u.user {
		code = command.CodePartitionPolicies
	}
	var r command.PoliciesResponse
	u.ok(code, session, nil, &r)
	for _, p := range r.Policies {
		if p.ID == id {
			return p.Value
		}
	}
	u.t.Fatalf("there is no policy %d", id)
	return 0
}

func TestDestructiveHSMPolicyTakesThePartition(t *testing.T) {
	u := ready(t).logIn(command.RoleSO)
	u.aes("lost")
	u.do(command.StatusPolicyDestructive, command.CodeHSMPolicyChange, u.admin, &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: policy.Masking, Value: 0}}}, nil)
	u.aes("still there")
	u.hsmPolicy(policy.Masking, 0, true)
	for _, v := range []*unit{u, u.reboot()} {
		if i := v.info(); i.Partition != command.PartitionAbsent || i.Objects != 0 || i.State != command.HSMInitialised {
			t.Errorf("%+v", i)
		}
		if v.value(v.admin, policy.Masking) != 0 || !v.role(v.admin, command.RoleSO).Initialised {
			t.Error("policy or HSM SO is not what it should be")
		}
	}
}

func TestDestructivePartitionPolicyTakesTheObjectsAndLeavesTheRoles(t *testing.T) {
	u := ready(t)
	u.aes("lost")
	u.partitionPolicy(policy.MultipurposeKeys, 0, false)
	u.find(nil)
	u.partitionPolicy(policy.MultipurposeKeys, 1, true)
	if i := u.info(); i.Objects != 0 || i.Partition != command.PartitionInitialised {
		t.Errorf("%+v", i)
	}
	kept := u.aes("new")
	u = u.reboot()
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RoleCO)
	if found := u.find(command.Template{command.AttrToken: true}); len(found) != 1 || found[0] != kept {
		t.Errorf("objects %v", found)
	}
}

func TestTemplatesSetPoliciesAtInitialisation(t *testing.T) {
	u := newUnit(t)
	template := []command.PolicySetting{{ID: policy.NonFIPSAlgorithms, Value: 0}, {ID: policy.ForcePINChange, Value: 0}}
	u.do(command.StatusPolicyIDInvalid, command.CodeHSMInit, u.admin, &command.HSMInitRequest{
		Label: "x", Password: []byte(soPassword), Policies: append(template, command.PolicySetting{ID: 63, Value: 1}),
	}, nil)
	if i := u.info(); i.State != command.HSMFactory {
		t.Errorf("a refused template left %+v", i)
	}
	u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x", Password: []byte(soPassword), Policies: template}, nil)
	u.logIn(command.RoleSO).createPartition()
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{
		Label: "x", Password: []byte(poPassword), Policies: []command.PolicySetting{{ID: policy.MaxFailedLogins, Value: 3}},
	}, nil)
	for _, id := range []policy.ID{policy.NonFIPSAlgorithms, policy.ForcePINChange} {
		if v := u.value(u.admin, id); v != 0 {
			t.Errorf("HSM policy %d is %d", id, v)
		}
	}
	if u.value(u.user, policy.MaxFailedLogins) != 3 || u.value(u.user, policy.PartitionNonFIPS) != 0 {
		t.Error("policies of the partition are not as set, or not under those of the HSM")
	}
}

func TestForcedPasswordChange(t *testing.T) {
	u := powerOn(t, stage(t).partition.Clone())
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RolePO)
	u.ok(command.CodeRoleInit, u.user, &command.RoleInitRequest{Role: command.RoleCO, Password: []byte(firstPassword)}, nil)
	u = u.reboot()
	u.user = u.open(command.SlotPartition, false)
	u.login(command.StatusOK, u.user, command.RoleCO, firstPassword)
	if s := u.role(u.user, command.RoleCO); !s.ChangeDue || !s.LoggedIn {
		t.Errorf("state %+v", s)
	}
	u.do(command.StatusPINExpired, command.CodeGenerateKey, u.user, &command.GenerateKeyRequest{}, nil)
	u.do(command.StatusPINExpired, command.CodeSign, u.user, &command.SignRequest{}, nil)
	u.do(command.StatusUserNotLoggedIn, command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{}, nil)
	u.do(command.StatusUserNotLoggedIn, command.CodeRoleInit, u.user, &command.RoleInitRequest{Role: command.RoleCU, Password: []byte(cuPassword)}, nil)
	u.do(command.StatusPINInvalid, command.CodeChangePassword, u.user, &command.ChangePasswordRequest{Old: []byte(firstPassword), New: []byte(firstPassword)}, nil)
	u.ok(command.CodeChangePassword, u.user, &command.ChangePasswordRequest{Old: []byte(firstPassword), New: []byte(coPassword)}, nil)
	u.aes("at last")
	if u.role(u.user, command.RoleCO).ChangeDue {
		t.Error("a change is still due")
	}
}

func TestNoForcedChangeWithPolicy21Off(t *testing.T) {
	u := powerOn(t, stage(t).partition.Clone()).logIn(command.RoleSO)
	u.hsmPolicy(policy.ForcePINChange, 0, false)
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RolePO)
	u.ok(command.CodeRoleInit, u.user, &command.RoleInitRequest{Role: command.RoleCO, Password: []byte(coPassword)}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCO).aes("at once")
}

func TestMaxFailedLoginsOfCryptoRoles(t *testing.T) {
	for _, role := range []command.Role{command.RoleCO, command.RoleLCO, command.RoleCU} {
		t.Run(role.String(), func(t *testing.T) {
			u := powerOn(t, stage(t).staffed.Clone())
			u.user = u.open(command.SlotPartition, false)
			u.logIn(command.RoleCO).partitionPolicy(policy.MaxFailedLogins, 2, false)
			u.ok(command.CodeLogout, u.user, nil, nil)
			u.login(command.StatusPINIncorrect, u.user, role, "a wrong one")
			u.login(command.StatusPINIncorrectLocked, u.user, role, "a wrong one")
			u.login(command.StatusContainerLocked, u.user, role, passwordOf(role))
			for _, other := range []command.Role{command.RoleCO, command.RoleLCO, command.RoleCU} {
				locked := other == role || role == command.RoleCO
				if s := u.role(u.user, other); s.Locked != locked {
					t.Errorf("%s: %+v", other, s)
				}
			}
			u.logIn(command.RolePO) // is not among them
		})
	}
}

func TestPolicy15DecidesWhetherALockOutIsForEver(t *testing.T) {
	lockOut := func(on uint16) *unit {
		u := powerOn(t, stage(t).staffed.Clone()).logIn(command.RoleSO)
		if on == 0 {
			u.hsmPolicy(policy.ResetPIN, 0, false)
		}
		u.user = u.open(command.SlotPartition, false)
		for range 9 {
			u.login(command.StatusPINIncorrect, u.user, command.RoleCO, "a wrong one")
		}
		u.login(command.StatusPINIncorrectLocked, u.user, command.RoleCO, "a wrong one")
		return u.logIn(command.RolePO)
	}
	reset := &command.RoleResetRequest{Role: command.RoleCO, Password: []byte("a new password")}
	u := lockOut(1)
	u.ok(command.CodeRoleReset, u.user, reset, nil)

	u = lockOut(0)
	u.do(command.StatusOperationRestricted, command.CodeRoleReset, u.user, reset, nil)
	u.do(command.StatusOnceOnly, command.CodeRoleInit, u.user, &command.RoleInitRequest{Role: command.RoleCO, Password: []byte("a new password")}, nil)
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{Label: "again", Password: []byte(poPassword)}, nil)
	u.logIn(command.RolePO).appoint(command.RoleCO, coPassword)
	u.logIn(command.RoleCO)
}

func TestMoreAttemptsUnlockNobody(t *testing.T) {
	for _, destructive := range []bool{false, true} {
		u := powerOn(t, stage(t).staffed.Clone())
		u.user = u.open(command.SlotPartition, false)
		u.logIn(command.RolePO).partitionPolicy(policy.MaxFailedLogins, 1, false)
		u.ok(command.CodeLogout, u.user, nil, nil)
		u.login(command.StatusPINIncorrectLocked, u.user, command.RoleCO, "a wrong one")
		settings := []command.PolicySetting{{ID: policy.MaxFailedLogins, Value: 10}}
		if destructive {
			settings = append(settings, command.PolicySetting{ID: policy.DigestKey, Value: 1})
		}
		u.logIn(command.RolePO).ok(command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{Settings: settings, Destructive: destructive}, nil)
		for _, v := range []*unit{u, u.reboot()} {
			v.user = v.open(command.SlotPartition, false)
			if s := v.role(v.user, command.RoleCO); !s.Locked || s.AttemptsLeft != 0 {
				t.Errorf("destructive %v: %+v", destructive, s)
			}
			if s := v.role(v.user, command.RoleCU); s.AttemptsLeft != 10 {
				t.Errorf("destructive %v: %+v of who was not locked", destructive, s)
			}
		}
	}
}

func TestCryptoOfficerResetsTheCryptoUser(t *testing.T) {
	u := powerOn(t, stage(t).staffed.Clone())
	u.user = u.open(command.SlotPartition, false)
	for range 10 {
		u.login(command.StatusPINIncorrect, u.user, command.RoleCU, "a wrong one")
		if u.role(u.user, command.RoleCU).AttemptsLeft == 1 {
			break
		}
	}
	u.login(command.StatusPINIncorrectLocked, u.user, command.RoleCU, "a wrong one")
	u.logIn(command.RoleCO)
	u.ok(command.CodeRoleReset, u.user, &command.RoleResetRequest{Role: command.RoleCU, Password: []byte(firstPassword)}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.login(command.StatusPINIncorrect, u.user, command.RoleCU, cuPassword)
	u.login(command.StatusOK, u.user, command.RoleCU, firstPassword)
}

func TestAuditorWaitsAMinuteAfterThreeWrongPasswords(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	u := powerOnAt(t, stage(t).staffed.Clone(), func() time.Time { return now })
	for range 2 {
		u.login(command.StatusPINIncorrect, u.admin, command.RoleAuditor, "a wrong one")
	}
	u.login(command.StatusAuditLoginThreshold, u.admin, command.RoleAuditor, "a wrong one")
	u.login(command.StatusAuditLoginTimeout, u.admin, command.RoleAuditor, auditorPassword)
	now = now.Add(59 * time.Second)
	u.login(command.StatusAuditLoginTimeout, u.admin, command.RoleAuditor, auditorPassword)
	u = powerOnAt(t, u.flash, func() time.Time { return now }) // begins the minute anew
	now = now.Add(59 * time.Second)
	u.login(command.StatusAuditLoginTimeout, u.admin, command.RoleAuditor, auditorPassword)
	now = now.Add(time.Second)
	u.login(command.StatusOK, u.admin, command.RoleAuditor, auditorPassword)
}

func TestPasswordLengthsOfPartitionRoles(t *testing.T) {
	u := ready(t)
	u.partitionPolicy(policy.MinPINLength, 255-12, false)
	u.partitionPolicy(policy.MaxPINLength, 16, false)
	change := func(want command.Status, length int) {
		t.Helper()
		u.do(want, command.CodeChangePassword, u.user, &command.ChangePasswordRequest{Old: []byte(coPassword), New: []byte(strings.Repeat("x", length))}, nil)
	}
	change(command.StatusPINLenRange, 11)
	change(command.StatusPINLenRange, 17)
	change(command.StatusOK, 12)
	u.logIn(command.RoleSO) // the HSM's roles are not bound by them
	u.ok(command.CodeChangePassword, u.admin, &command.ChangePasswordRequest{Old: []byte(soPassword), New: []byte("12345678")}, nil)
}

func TestPasswordLengthsLeaveRoomForPasswords(t *testing.T) {
	u := ready(t)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	change := func(want command.Status, settings ...command.PolicySetting) {
		t.Helper()
		u.do(want, command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{Settings: settings}, nil)
	}
	least := command.PolicySetting{ID: policy.MinPINLength, Value: 255 - 12}
	change(command.StatusPolicyDependency, least, command.PolicySetting{ID: policy.MaxPINLength, Value: 11})
	change(command.StatusOK, least, command.PolicySetting{ID: policy.MaxPINLength, Value: 12})
	change(command.StatusPolicyDependency, command.PolicySetting{ID: policy.MinPINLength, Value: 255 - 13})
}

func TestCryptoUserUsesKeysAndMakesNone(t *testing.T) {
	u := powerOn(t, stage(t).staffed.Clone())
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RoleCO)
	key := u.aes("key")
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCU)
	u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: key}, new(command.CipherResponse))
	for _, c := range []struct {
		code    command.Code
		request any
	}{
		{command.CodeGenerateKey, &command.GenerateKeyRequest{}},
		{command.CodeGenerateKeyPair, &command.GenerateKeyPairRequest{}},
		{command.CodeSetAttributes, &command.SetAttributesRequest{Object: key}},
		{command.CodeDestroyObject, &command.DestroyObjectRequest{Object: key}},
	} {
		u.do(command.StatusUserNotLoggedIn, c.code, u.user, c.request, nil)
	}
}
