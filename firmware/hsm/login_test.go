package hsm_test

import (
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

func TestLoginIsSharedByTheHostsSessionsWithTheSlot(t *testing.T) {
	u := ready(t)
	second := u.open(command.SlotPartition, true)
	role := func(session uint32) command.Role {
		t.Helper()
		var r command.SessionInfoResponse
		u.ok(command.CodeSessionInfo, session, nil, &r)
		return r.Role
	}
	if role(u.user) != command.RoleCO || role(second) != command.RoleCO || role(u.admin) != command.RoleNone {
		t.Errorf("roles %v, %v, %v", role(u.user), role(second), role(u.admin))
	}
	other := u.hsm.Connect()
	foreign := u.openOn(other, command.SlotPartition, false)
	u.on(other, command.StatusUserNotLoggedIn, command.CodeSign, foreign, &command.SignRequest{}, nil)

	u.login(command.StatusUserAlreadyLoggedIn, second, command.RoleCO, coPassword)
	u.login(command.StatusOtherUserLoggedIn, second, command.RolePO, poPassword)
	u.login(command.StatusUserTypeInvalid, u.user, command.RoleSO, soPassword)
	u.login(command.StatusUserTypeInvalid, u.admin, command.RoleCO, coPassword)
	u.login(command.StatusUserTypeInvalid, u.admin, command.RoleNone, coPassword)
	u.login(command.StatusUserTypeInvalid, u.admin, command.Role(200), coPassword)

	u.ok(command.CodeLogout, second, nil, nil)
	if role(u.user) != command.RoleNone {
		t.Error("still logged in")
	}
	u.do(command.StatusUserNotLoggedIn, command.CodeLogout, u.user, nil, nil)
}

func TestClosingTheLastSessionLogsOut(t *testing.T) {
	u := ready(t)
	second := u.open(command.SlotPartition, false)
	u.ok(command.CodeSessionClose, u.user, nil, nil)
	u.user = second
	u.aes("still logged in")
	u.ok(command.CodeSessionClose, second, nil, nil)
	u.user = u.open(command.SlotPartition, false)
	u.do(command.StatusUserNotLoggedIn, command.CodeSign, u.user, &command.SignRequest{}, nil)
}

func TestLockOuts(t *testing.T) {
	for _, c := range []struct {
		role     command.Role
		attempts int
		last     command.Status
		event    command.EventCode
	}{
		{command.RoleSO, 3, command.StatusSOLoginFailureThreshold, command.EventZeroized},
		{command.RolePO, 10, command.StatusPINIncorrectZeroized, command.EventZeroized},
		{command.RoleCO, 10, command.StatusPINIncorrectLocked, command.EventRoleLocked},
	} {
		t.Run(c.role.String(), func(t *testing.T) {
			u := powerOn(t, stage(t).ready.Clone())
			u.user = u.open(command.SlotPartition, false)
			session := u.session(c.role.Slot())
			for left := c.attempts - 1; left > 0; left-- {
				u.login(command.StatusPINIncorrect, session, c.role, "a wrong one")
				if got := u.role(session, c.role).AttemptsLeft; int(got) != left {
					t.Fatalf("%d attempts left, want %d", got, left)
				}
			}
			u.login(c.last, session, c.role, "a wrong one")
			if e := u.event(); e.Code != c.event || e.Role != c.role {
				t.Errorf("event %+v", e)
			}
			checkLockedOut(t, u, c.role)
			checkLockedOut(t, u.reboot(), c.role)
		})
	}
}

func checkLockedOut(t *testing.T, u *unit, role command.Role) {
	t.Helper()
	i := u.info()
	switch role {
	case command.RoleSO:
		if i.State != command.HSMZeroized || i.Partition != command.PartitionAbsent {
			t.Errorf("info %+v", i)
		}
		u.login(command.StatusPINNotInitialized, u.admin, role, soPassword)
	case command.RolePO:
		u.user = u.open(command.SlotPartition, false)
		if i.State != command.HSMInitialised || i.Partition != command.PartitionCreated || i.PartitionLabel != "" {
			t.Errorf("info %+v", i)
		}
		u.login(command.StatusPINNotInitialized, u.user, role, poPassword)
		u.logIn(command.RoleSO)
	case command.RoleCO:
		u.user = u.open(command.SlotPartition, false)
		if s := u.role(u.user, role); !s.Locked || s.AttemptsLeft != 0 || !s.Initialised {
			t.Errorf("state %+v", s)
		}
		u.login(command.StatusContainerLocked, u.user, role, coPassword)
	}
}

func TestSuccessGivesAllAttemptsBack(t *testing.T) {
	u := powerOn(t, stage(t).ready.Clone())
	for range 3 {
		u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one")
		u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "")
		u.logIn(command.RoleSO)
		u.ok(command.CodeLogout, u.admin, nil, nil)
	}
	u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, strings.Repeat("x", 300))
	if left := u.reboot().role(u.admin, command.RoleSO).AttemptsLeft; left != 2 {
		t.Errorf("%d attempts left after a reboot, want 2", left)
	}
}

func TestCountersOfOthersOutliveADestroyedPartition(t *testing.T) {
	u := powerOn(t, stage(t).ready.Clone())
	u.user = u.open(command.SlotPartition, false)
	u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one")
	u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one")
	for range 9 {
		u.login(command.StatusPINIncorrect, u.user, command.RolePO, "a wrong one")
	}
	u.login(command.StatusPINIncorrectZeroized, u.user, command.RolePO, "a wrong one")
	for _, v := range []*unit{u, u.reboot()} {
		if left := v.role(v.admin, command.RoleSO).AttemptsLeft; left != 1 {
			t.Errorf("the SO has %d attempts left, want 1", left)
		}
	}
}

func TestRoleResetUnlocksAndReplacesTheCO(t *testing.T) {
	u := ready(t)
	key := u.aes("kept")
	u.ok(command.CodeLogout, u.user, nil, nil)
	for range 9 {
		u.login(command.StatusPINIncorrect, u.user, command.RoleCO, "a wrong one")
	}
	u.login(command.StatusPINIncorrectLocked, u.user, command.RoleCO, "a wrong one")
	u.logIn(command.RolePO)
	request := func(role command.Role, password string) *command.RoleResetRequest {
		return &command.RoleResetRequest{Role: role, Password: []byte(password)}
	}
	u.do(command.StatusUserTypeInvalid, command.CodeRoleReset, u.user, request(command.RolePO, coPassword), nil)
	u.do(command.StatusUserTypeInvalid, command.CodeRoleReset, u.user, request(command.Role(8), coPassword), nil)
	u.do(command.StatusUserNotLoggedIn, command.CodeRoleReset, u.user, request(command.RoleCU, coPassword), nil)
	u.do(command.StatusPINLenRange, command.CodeRoleReset, u.user, request(command.RoleCO, "short"), nil)
	u.ok(command.CodeRoleReset, u.user, request(command.RoleCO, "a new password"), nil)
	for _, v := range []*unit{u, u.reboot()} {
		if s := v.role(v.open(command.SlotPartition, true), command.RoleCO); s.Locked || s.AttemptsLeft != 10 {
			t.Errorf("state %+v", s)
		}
	}
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.login(command.StatusPINIncorrect, u.user, command.RoleCO, coPassword)
	u.login(command.StatusOK, u.user, command.RoleCO, "a new password")
	u.do(command.StatusObjectHandleInvalid, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: key}, nil)
	u.ok(command.CodeChangePassword, u.user, &command.ChangePasswordRequest{Old: []byte("a new password"), New: []byte(coPassword)}, nil)
	u.attributes(key)
}

func TestRoleResetLogsCOsOutOnAllHosts(t *testing.T) {
	u := ready(t)
	other := u.hsm.Connect()
	session := u.openOn(other, command.SlotPartition, false)
	u.on(other, command.StatusOK, command.CodeLogin, session, &command.LoginRequest{Role: command.RolePO, Password: []byte(poPassword)}, nil)
	u.on(other, command.StatusOK, command.CodeRoleReset, session, &command.RoleResetRequest{Role: command.RoleCO, Password: []byte("a new password")}, nil)
	u.do(command.StatusUserNotLoggedIn, command.CodeSign, u.user, &command.SignRequest{}, nil)
}

func TestChangePassword(t *testing.T) {
	for _, role := range command.Roles {
		t.Run(role.String(), func(t *testing.T) {
			u := powerOn(t, stage(t).staffed.Clone())
			u.user = u.open(command.SlotPartition, false)
			u.logIn(role)
			session := u.session(role.Slot())
			old := passwordOf(role)
			change := func(want command.Status, from, to string) {
				t.Helper()
				u.do(want, command.CodeChangePassword, session, &command.ChangePasswordRequest{Old: []byte(from), New: []byte(to)}, nil)
			}
			left := u.role(session, role).AttemptsLeft
			change(command.StatusPINLenRange, old, "short")
			change(command.StatusPINInvalid, old, "new|password")
			if got := u.role(session, role).AttemptsLeft; got != left {
				t.Errorf("%d attempts left, want %d: a refused new password is no attempt", got, left)
			}
			change(command.StatusPINIncorrect, "a wrong one", "new-password")
			if got := u.role(session, role).AttemptsLeft; got != left-1 {
				t.Errorf("%d attempts left, want %d", got, left-1)
			}
			change(command.StatusOK, old, "new-password")
			u = u.reboot()
			u.user = u.open(command.SlotPartition, false)
			session = u.session(role.Slot())
			u.login(command.StatusPINIncorrect, session, role, old)
			u.login(command.StatusOK, session, role, "new-password")
		})
	}
}

func TestRoleState(t *testing.T) {
	u := ready(t)
	want := command.RoleStateResponse{Initialised: true, AttemptsLeft: 10, LoggedIn: true, Primary: command.AuthPassword}
	if got := u.role(u.user, command.RoleCO); got != want {
		t.Errorf("CO %+v, want %+v", got, want)
	}
	want.LoggedIn = false
	if got := u.role(u.user, command.RolePO); got != want {
		t.Errorf("PO %+v, want %+v", got, want)
	}
	u.do(command.StatusUserTypeInvalid, command.CodeRoleState, u.user, &command.RoleStateRequest{Role: command.RoleSO}, nil)
	u.do(command.StatusUserTypeInvalid, command.CodeRoleState, u.admin, &command.RoleStateRequest{Role: command.Role(99)}, nil)
	if got := newUnit(t).role(1, command.RoleSO); got != (command.RoleStateResponse{AttemptsLeft: 3}) {
		t.Errorf("SO of a new HSM %+v", got)
	}
}
