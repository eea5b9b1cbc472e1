package hsm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/store"
)

// crew is an HSM with people in front of it.
type crew struct{ *unit }

// powerOnWithPeople starts an HSM on a chip, with the usual people.
func powerOnWithPeople(t testing.TB, chip flash.Device) *crew {
	t.Helper()
	return powerOnWithPeopleAt(t, chip, func() time.Time { return noon })
}

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func powerOnWithPeopleAt(t testing.TB, chip flash.Device, clock func() time.Time) *crew {
	t.Helper()
	u := powerOnConfig(t, chip, hsm.Config{Entropy: rand.Reader, Serial: "7000001", Path: new(peopletest.People), Clock: clock})
	if u.info().Partition != command.PartitionAbsent {
		u.user = u.open(command.SlotPartition, false)
	}
	return &crew{u}
}

// reboot cuts the power and starts again.
func (q *crew) reboot() *crew {
	q.t.Helper()
	return powerOnWithPeople(q.t, q.flash)
}

// enter logs a role in with the keyset that the people bring, and a challenge
// secret if it is not empty.
func (q *crew) enter(want command.Status, role command.Role, challenge string) {
	q.t.Helper()
	q.login(want, q.session(role.Slot()), role, challenge)
}

func (q *crew) leave(role command.Role) {
	q.t.Helper()
	q.ok(command.CodeLogout, q.session(role.Slot()), nil, nil)
}

// as does something with a role logged in.
func (q *crew) as(role command.Role, do func()) {
	q.t.Helper()
	q.enter(command.StatusOK, role, "")
	do()
	q.leave(role)
}

func (q *crew) found() {
	q.ok(command.CodeHSMInit, q.admin, &command.HSMInitRequest{
		Label: "hsm-label", Method: command.AuthQuorum, Policies: []command.PolicySetting{{ID: policy.ResetPIN, Value: 1}},
	}, nil)
	q.as(command.RoleSO, func() { q.createPartition() })
	q.ok(command.CodePartitionInit, q.user, &command.PartitionInitRequest{Label: "partition-label"}, nil)
	q.ok(command.CodeRoleInit, q.admin, &command.RoleInitRequest{Role: command.RoleAuditor}, nil)
	for _, info := range command.RoleTable {
		if info.By != command.RoleNone {
			q.as(info.By, func() {
				q.ok(command.CodeRoleInit, q.session(info.Slot), &command.RoleInitRequest{Role: info.Role}, nil)
			})
		}
	}
}

var quorumStage = sync.OnceValue(func() *flash.Memory {
	chip, err := flash.NewMemory(flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 128})
	if err != nil {
		panic(err)
	}
	return chip
})

var foundOnce sync.Once

// quorum is an HSM whose roles all have keysets, with nobody logged in.
func quorum(t testing.TB) *crew {
	t.Helper()
	foundOnce.Do(func() { powerOnWithPeople(t, quorumStage()).found() })
	return powerOnWithPeople(t, quorumStage().Clone())
}

func TestAuthenticationIsChosenWithTheInitialisation(t *testing.T) {
	q := powerOnWithPeople(t, newChip(t, 128))
	shows := func(want command.AuthMethod, password, quorum uint16) {
		t.Helper()
		var r command.PoliciesResponse
		q.ok(command.CodeHSMPolicies, q.admin, nil, &r)
		if q.info().Method != want || r.Policies[0].Value != password || r.Policies[1].Value != quorum {
			t.Errorf("method %v, policies %v", q.info().Method, r.Policies[:2])
		}
	}
	shows(command.AuthNone, 0, 0)
	q.do(command.StatusArgumentsBad, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "x", Method: 3}, nil)
	q.do(command.StatusArgumentsBad, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum, Password: []byte(soPassword)}, nil)
	q.do(command.StatusArgumentsBad, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum, Domain: []byte("d")}, nil)
	shows(command.AuthNone, 0, 0)
	q.ok(command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum}, nil)
	if q = q.reboot(); q.people.Times() != 0 {
		t.Error("people were asked at power-on")
	}
	shows(command.AuthQuorum, 0, 1)
	q.enter(command.StatusOK, command.RoleSO, "")
	q.do(command.StatusArgumentsBad, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "y", Method: command.AuthPassword}, nil)
	q.ok(command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "y"}, nil)
	shows(command.AuthQuorum, 0, 1)
	q.ok(command.CodeHSMZeroize, q.admin, nil, nil)
	q = q.reboot()
	shows(command.AuthNone, 0, 0)
	q.ok(command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "z", Password: []byte(soPassword)}, nil)
	q = q.reboot()
	shows(command.AuthPassword, 1, 0)
	q.enter(command.StatusOK, command.RoleSO, soPassword)
	q.do(command.StatusArgumentsBad, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "y", Method: command.AuthQuorum}, nil)
}

func TestQuorumNeedsAScreenAndAPort(t *testing.T) {
	u := newUnit(t)
	u.do(command.StatusPEDUnplugged, command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum}, nil)
	if u.info().State != command.HSMFactory {
		t.Error("the HSM is initialised")
	}
	q := quorum(t)
	u = powerOn(t, q.flash)
	u.login(command.StatusPEDUnplugged, u.admin, command.RoleSO, "")
	if left := u.role(u.admin, command.RoleSO).AttemptsLeft; left != 3 {
		t.Errorf("%d attempts left", left)
	}
}

func TestEveryRoleLogsInWithItsKeyset(t *testing.T) {
	for _, role := range command.Roles {
		t.Run(role.String(), func(t *testing.T) {
			q := quorum(t)
			session := q.session(role.Slot())
			before := q.role(session, role)
			if before.Primary != command.AuthQuorum || before.Secondary != command.AuthNone || before.ChangeDue {
				t.Errorf("state %+v", before)
			}
			q.enter(command.StatusChallengeNotRequired, role, "some password")
			if q.people.Times() != 0 {
				t.Error("people were asked in vain")
			}
			q.people.Bring("stranger")
			q.enter(command.StatusPINIncorrect, role, "")
			if left := q.role(session, role).AttemptsLeft; left != before.AttemptsLeft-1 {
				t.Errorf("%d attempts left, had %d", left, before.AttemptsLeft)
			}
			q.people.Bring("")
			q.enter(command.StatusOK, role, "")
			if e := <-q.events; e.Code != command.EventAttend || e.Role != role {
				t.Errorf("event %+v", e)
			}
			after := q.role(session, role)
			if after.AttemptsLeft != before.AttemptsLeft || !after.LoggedIn {
				t.Errorf("state %+v", after)
			}
			q.enter(command.StatusUserAlreadyLoggedIn, role, "")
		})
	}
}

// TestWhatIsNoWholeKeysetDoesNotCount has people do whatever else they may do,
// far more often than a role has attempts.
func TestWhatIsNoWholeKeysetDoesNotCount(t *testing.T) {
	for _, status := range []command.Status{
		command.StatusFunctionCanceled, command.StatusTimeout, command.StatusPEDUnplugged, command.StatusPEDError,
		command.StatusMissingSplits, command.StatusSplitDataInvalid, command.StatusVectorVersionInvalid,
		command.StatusVectorOfDifferentSet, command.StatusVectorDuplicate, command.StatusVectorTypeInvalid,
	} {
		q := quorum(t)
		q.people.Refuse(status.With("no whole keyset", ""))
		before := image(t, q.flash)
		for _, role := range command.Roles {
			for range 12 {
				q.enter(status, role, "")
			}
		}
		if !bytes.Equal(image(t, q.flash), before) {
			t.Errorf("%v: something was written", status)
		}
	}
}

func TestLockOutsWithKeysets(t *testing.T) {
	for role, last := range map[command.Role]command.Status{
		command.RoleSO: command.StatusSOLoginFailureThreshold, command.RolePO: command.StatusPINIncorrectZeroized,
		command.RoleCO: command.StatusPINIncorrectLocked, command.RoleAuditor: command.StatusAuditLoginThreshold,
		command.RoleAdministrator: command.StatusPINIncorrectLocked,
	} {
		t.Run(role.String(), func(t *testing.T) {
			q := quorum(t)
			q.people.Bring("stranger")
			for range q.role(q.session(role.Slot()), role).AttemptsLeft - 1 {
				q.enter(command.StatusPINIncorrect, role, "")
			}
			q = q.reboot()
			q.people.Bring("stranger")
			q.enter(last, role, "")
			q = q.reboot()
			i := q.info()
			switch role {
			case command.RoleSO:
				if i.State != command.HSMZeroized || i.Method != command.AuthNone {
					t.Errorf("info %+v", i)
				}
			case command.RolePO:
				if i.Partition != command.PartitionCreated || i.Method != command.AuthQuorum {
					t.Errorf("info %+v", i)
				}
			case command.RoleAuditor:
				q.enter(command.StatusAuditLoginTimeout, role, "")
			default:
				asked := q.people.Times()
				if q.enter(command.StatusContainerLocked, role, ""); q.people.Times() != asked {
					t.Error("people were asked for a role that is locked")
				}
			}
		})
	}
}

// TestNobodyIsAskedForWhatWillBeRefused wants refusals that can be foreseen before
// people have made iKeys.
func TestNobodyIsAskedForWhatWillBeRefused(t *testing.T) {
	bad := []command.PolicySetting{{ID: 63, Value: 1}}
	q := powerOnWithPeople(t, newChip(t, 128))
	q.do(command.StatusPolicyIDInvalid, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum, Policies: bad}, nil)
	q.do(command.StatusArgumentsBad, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Method: command.AuthQuorum}, nil)
	if q.people.Times() > 0 {
		t.Error("people were asked")
	}
	q = quorum(t)
	q.do(command.StatusUserNotLoggedIn, command.CodePartitionInit, q.user, &command.PartitionInitRequest{Label: "x"}, nil)
	q.do(command.StatusUserNotLoggedIn, command.CodeRoleInit, q.user, &command.RoleInitRequest{Role: command.RoleCO}, nil)
	q.enter(command.StatusOK, command.RolePO, "")
	asked := q.people.Times()
	q.do(command.StatusPolicyIDInvalid, command.CodePartitionInit, q.user, &command.PartitionInitRequest{Label: "x", Policies: bad}, nil)
	q.do(command.StatusOnceOnly, command.CodeRoleInit, q.user, &command.RoleInitRequest{Role: command.RoleCO}, nil)
	q.do(command.StatusUserNotLoggedIn, command.CodeRoleReset, q.user, &command.RoleResetRequest{Role: command.RoleCU}, nil)
	if q.people.Times() > asked {
		t.Error("people were asked")
	}
}

// asking is a command that waits for people, and who must be logged in for it.
type asking struct {
	name    string
	role    command.Role
	code    command.Code
	slot    command.Slot
	request any
}

// waiting are such commands.
var waiting = []asking{
	{"login", command.RoleNone, command.CodeLogin, command.SlotAdmin, &command.LoginRequest{Role: command.RoleSO}},
	{"partition-init", command.RolePO, command.CodePartitionInit, command.SlotPartition, &command.PartitionInitRequest{Label: "x"}},
	{"role-reset", command.RolePO, command.CodeRoleReset, command.SlotPartition, &command.RoleResetRequest{Role: command.RoleCO}},
	{"role-reset of cu", command.RoleCO, command.CodeRoleReset, command.SlotPartition, &command.RoleResetRequest{Role: command.RoleCU}},
	{"change of a keyset", command.RoleCO, command.CodeChangePassword, command.SlotPartition, &command.ChangePasswordRequest{}},
	{"audit-set-domain", command.RoleAuditor, command.CodeAuditSetDomain, command.SlotAdmin, &command.AuditDomainRequest{}},
	{"challenge that is shown", command.RolePO, command.CodeRoleCreateChallenge, command.SlotPartition, &command.RoleCreateChallengeRequest{Role: command.RoleCO}},
}

// TestCancelWhilePeopleAreAskedChangesNothing cancels each command at each
// question that it asks.
func TestCancelWhilePeopleAreAskedChangesNothing(t *testing.T) {
	for _, w := range waiting {
		for question := 1; ; question++ {
			q := quorum(t)
			if w.role != command.RoleNone {
				q.enter(command.StatusOK, w.role, "")
			}
			q.people.Make("next")
			ctx, cancel := context.WithCancel(t.Context())
			before := image(t, q.flash)
			n := 0
			q.people.When(func(context.Context, hsm.Subject) error {
				if n++; n == question {
					cancel()
				}
				return nil
			})
			payload, err := command.Marshal(w.request)
			if err != nil {
				t.Fatal(err)
			}
			status, _ := q.host.Execute(ctx, w.code, q.session(w.slot), payload)
			if n < question { // it does not ask so much
				if status != command.StatusOK {
					t.Errorf("%s: %v", w.name, status)
				}
				break
			}
			if status != command.StatusFunctionCanceled || !bytes.Equal(before, image(t, q.flash)) {
				t.Errorf("%s, question %d: %v, or something was written", w.name, question, status)
			}
		}
	}
}

// TestWhatPeopleGaveIsWiped looks at the memory in which the HSM was given secrets, and
// from which it has shown them, after each command that asks people.
func TestWhatPeopleGaveIsWiped(t *testing.T) {
	wiped(t, func() *crew { return powerOnWithPeople(t, newChip(t, 128)) },
		asking{"hsm-init", command.RoleNone, command.CodeHSMInit, command.SlotAdmin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum}})
	for _, w := range waiting {
		wiped(t, func() *crew { return quorum(t) }, w)
	}
}

// wiped has the command come to its end, with the keyset of the role and with somebody
// else's, and cancels it at each of its questions.
func wiped(t *testing.T, start func() *crew, w asking) {
	t.Helper()
	for _, keyset := range []string{"", "stranger"} {
		for question, asked := 1, 1; question <= asked+1; question++ { // the last time it is not cancelled
			q := start()
			if w.role != command.RoleNone {
				q.enter(command.StatusOK, w.role, "")
			}
			q.people.Make("next")
			q.people.Bring(keyset)
			ctx, cancel := context.WithCancel(t.Context())
			asked = 0
			q.people.When(func(context.Context, hsm.Subject) error {
				if asked++; asked == question {
					cancel()
				}
				return nil
			})
			payload, err := command.Marshal(w.request)
			if err != nil {
				t.Fatal(err)
			}
			status, _ := q.host.Execute(ctx, w.code, q.session(w.slot), payload)
			cancel()
			if asked == 0 {
				t.Errorf("%s asked nobody: %v", w.name, status)
			}
			if q.people.Kept() {
				t.Errorf("%s, cancelled at question %d of %d, ended with %v and keeps a secret", w.name, question, asked, status)
			}
		}
	}
}

// TestOthersWorkWhilePeopleAreAsked has another host log in, fail to, and in the
// end pull the rug from under the command that waits.
func TestOthersWorkWhilePeopleAreAsked(t *testing.T) {
	for _, w := range waiting {
		q := quorum(t)
		if w.role != command.RoleNone {
			q.enter(command.StatusOK, w.role, "")
		}
		asked := 0
		q.people.When(func(context.Context, hsm.Subject) error {
			if asked++; asked > 1 {
				return nil
			}
			other := q.hsm.Connect()
			session := q.openOn(other, command.SlotAdmin, false)
			q.on(other, command.StatusOK, command.CodeLogin, session, &command.LoginRequest{Role: command.RoleSO}, nil)
			q.on(other, command.StatusOK, command.CodeHSMZeroize, session, nil, nil)
			return nil
		})
		payload, err := command.Marshal(w.request)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := q.host.Execute(t.Context(), w.code, q.session(w.slot), payload); status == command.StatusOK && w.role != command.RoleAuditor {
			t.Errorf("%s succeeds in an HSM that is zeroized meanwhile", w.name)
		}
		if q.info().State != command.HSMZeroized {
			t.Errorf("%s: state %v", w.name, q.info().State)
		}
	}
}

// TestPeopleAreLetGoWhenNothingCanComeOfIt changes the ground under each command
// while it waits: the context that people are asked with ends at once, and the
// command is refused as it would be if they went on.
func TestPeopleAreLetGoWhenNothingCanComeOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*crew, uint32)
		want    command.Status
	}{
		"a tamper event":        {func(q *crew, _ uint32) { q.tamper(command.TamperChassisOpened) }, command.StatusHSMTampered},
		"the session is closed": {func(q *crew, s uint32) { q.ok(command.CodeSessionClose, s, nil, nil) }, command.StatusSessionHandleInvalid},
		"nothing that matters":  {func(q *crew, _ uint32) { q.open(command.SlotAdmin, true) }, command.StatusOK},
	} {
		for _, w := range waiting {
			want := c.want
			if want == command.StatusHSMTampered && w.code == command.CodeLogin {
				want = command.StatusOK // of the HSM SO, who clears the event
			}
			q := quorum(t)
			if w.role != command.RoleNone {
				q.enter(command.StatusOK, w.role, "")
			}
			session, asked := q.session(w.slot), 0
			q.people.Make("next")
			q.people.When(func(ctx context.Context, _ hsm.Subject) error {
				if asked++; asked == 1 {
					c.happens(q, session)
				}
				if gone := ctx.Err() != nil; gone != (want != command.StatusOK) {
					t.Errorf("%s, %s: people are let go: %t", w.name, name, gone)
				}
				return ctx.Err()
			})
			payload, err := command.Marshal(w.request)
			if err != nil {
				t.Fatal(err)
			}
			if status, answer := q.host.Execute(t.Context(), w.code, session, payload); status != want {
				t.Errorf("%s, %s: %v, want %v%s", w.name, name, status, want, reason(answer))
			}
		}
	}
}

func TestInitialisationOvertakenByAnother(t *testing.T) {
	q := powerOnWithPeople(t, newChip(t, 128))
	asked := 0
	q.people.When(func(context.Context, hsm.Subject) error {
		if asked++; asked == 2 {
			other := q.hsm.Connect()
			session := q.openOn(other, command.SlotAdmin, false)
			q.on(other, command.StatusOK, command.CodeHSMInit, session, &command.HSMInitRequest{Label: "first", Password: []byte(soPassword)}, nil)
		}
		return nil
	})
	q.do(command.StatusUserNotLoggedIn, command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "second", Method: command.AuthQuorum}, nil)
	if i := q.info(); i.Label != "first" || i.Method != command.AuthPassword {
		t.Errorf("info %+v", i)
	}
}

func TestChangeOfAKeyset(t *testing.T) {
	for _, role := range command.Roles {
		t.Run(role.String(), func(t *testing.T) {
			q := quorum(t)
			session := q.session(role.Slot())
			change := func(want command.Status, in *command.ChangePasswordRequest) {
				t.Helper()
				q.do(want, command.CodeChangePassword, session, in, nil)
			}
			q.enter(command.StatusOK, role, "")
			left := q.role(session, role).AttemptsLeft
			change(command.StatusPINInvalid, &command.ChangePasswordRequest{}) // the people make the one they have
			change(command.StatusChallengeNotRequired, &command.ChangePasswordRequest{Old: []byte("old-password"), New: []byte("new-password")})
			q.people.Make("next")
			q.people.Bring("stranger")
			change(command.StatusPINIncorrect, &command.ChangePasswordRequest{})
			if got := q.role(session, role).AttemptsLeft; got != left-1 {
				t.Errorf("%d attempts left, want %d", got, left-1)
			}
			q.people.Bring("")
			change(command.StatusOK, &command.ChangePasswordRequest{})
			q = q.reboot()
			q.enter(command.StatusPINIncorrect, role, "")
			q.people.Bring("next")
			q.enter(command.StatusOK, role, "")
		})
	}
}

// TestKeysetsAreOfOneKeyWithoutMofN is HSM policy 37.
func TestKeysetsAreOfOneKeyWithoutMofN(t *testing.T) {
	q := quorum(t)
	for _, value := range []uint16{0, 1} {
		q.enter(command.StatusOK, command.RoleSO, "")
		q.ok(command.CodeHSMPolicyChange, q.admin, &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: policy.MofN, Value: value}}}, nil)
		asked := []hsm.Subject{}
		q.people.When(func(_ context.Context, s hsm.Subject) error { asked = append(asked, s); return nil })
		q.ok(command.CodeRoleReset, q.admin, &command.RoleResetRequest{Role: command.RoleAdministrator}, nil)
		if len(asked) != 1 || asked[0].Single != (value == 0) {
			t.Errorf("policy 37 %d: people were asked for %+v", value, asked)
		}
		q.people.When(nil)
		q.leave(command.RoleSO)
	}
}

func TestResetGivesAnotherKeyset(t *testing.T) {
	q := quorum(t)
	q.people.Bring("stranger")
	for range 9 {
		q.enter(command.StatusPINIncorrect, command.RoleCO, "")
	}
	q.enter(command.StatusPINIncorrectLocked, command.RoleCO, "")
	q.people.Bring("")
	q.enter(command.StatusOK, command.RolePO, "")
	q.do(command.StatusOnceOnly, command.CodeRoleInit, q.user, &command.RoleInitRequest{Role: command.RoleCO}, nil)
	q.do(command.StatusArgumentsBad, command.CodeRoleReset, q.user, &command.RoleResetRequest{Role: command.RoleCO, Password: []byte(coPassword)}, nil)
	q.people.Make("next")
	q.ok(command.CodeRoleReset, q.user, &command.RoleResetRequest{Role: command.RoleCO}, nil)
	q = q.reboot()
	q.enter(command.StatusPINIncorrect, command.RoleCO, "")
	q.people.Bring("next")
	q.enter(command.StatusOK, command.RoleCO, "")
	q.aes("the Crypto Officer works with keys")
}

// TestAuditorKeepsWhatItHas has an Auditor from before the HSM is initialised.
func TestAuditorKeepsWhatItHas(t *testing.T) {
	q := powerOnWithPeople(t, newChip(t, 128))
	q.ok(command.CodeRoleInit, q.admin, &command.RoleInitRequest{Role: command.RoleAuditor, Password: []byte(auditorPassword)}, nil)
	q.ok(command.CodeHSMInit, q.admin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum}, nil)
	q = q.reboot()
	q.enter(command.StatusOK, command.RoleAuditor, auditorPassword)
	q.ok(command.CodeAuditSetDomain, q.admin, &command.AuditDomainRequest{Domain: []byte("d")}, nil)
	if got := q.role(q.admin, command.RoleAuditor).Primary; got != command.AuthPassword {
		t.Errorf("the Auditor has a %v", got)
	}

	q = quorum(t)
	q.as(command.RoleSO, func() {
		q.ok(command.CodeHSMZeroize, q.admin, nil, nil)
		q.enter(command.StatusOK, command.RoleAuditor, "")
	})
}

func TestTamperedHSMIsUnlockedWithAKeyset(t *testing.T) {
	q := quorum(t)
	q.enter(command.StatusOK, command.RoleCO, "")
	key := q.aes("kept")
	q.tamper(command.TamperOverTemperature)
	q = q.reboot()
	q.people.Bring("stranger")
	q.enter(command.StatusPINIncorrect, command.RoleSO, "")
	q.people.Bring("")
	q.as(command.RoleSO, func() { q.ok(command.CodeTamperClear, q.admin, nil, nil) })
	q = q.reboot()
	q.enter(command.StatusOK, command.RoleCO, "")
	q.attributes(key)
}

// TestPowerCutNeverGivesAGuessOfAKeyset is TestPowerCutNeverGivesAGuess with iKeys.
func TestPowerCutNeverGivesAGuessOfAKeyset(t *testing.T) {
	for at := 1; at <= 3; at++ {
		chip := quorum(t).flash.(*flash.Memory)
		answered := 0
		for range 40 {
			count, lost := -1, false
			q := powerOnWithPeople(t, flash.NewTap(chip, func(flash.Operation) error {
				if count >= 0 {
					count++
				}
				if lost = lost || count == at; lost {
					return flash.ErrPowerLost
				}
				return nil
			}))
			q.people.Bring("stranger")
			payload, err := command.Marshal(&command.LoginRequest{Role: command.RoleSO})
			if err != nil {
				t.Fatal(err)
			}
			count = 0
			status, _ := q.host.Execute(t.Context(), command.CodeLogin, q.admin, payload)
			if status == command.StatusPINNotInitialized {
				break
			}
			if lost && status != command.StatusDeviceError {
				t.Fatalf("cut before operation %d: %v tells that the keyset was looked at", at, status)
			}
			if !lost {
				answered++
			}
		}
		if answered > 3 {
			t.Errorf("cut before operation %d: %d answers", at, answered)
		}
	}
}

// TestSecretsOfPeopleStayOffTheFlash looks for what keysets give, for challenge
// secrets and for every key, in an HSM that uses all of them.
func TestSecretsOfPeopleStayOffTheFlash(t *testing.T) {
	r := &recorder{}
	u := powerOnConfig(t, newChip(t, 128), hsm.Config{Entropy: r, Serial: "7000001", Path: new(peopletest.People), Clock: func() time.Time { return noon }})
	q := &crew{u}
	q.found()
	q.activate()
	q.enter(command.StatusOK, command.RoleCO, coChallenge)
	q.ok(command.CodeRoleCreateChallenge, q.user, &command.RoleCreateChallengeRequest{Role: command.RoleCU}, nil)
	q.as(command.RoleAuditor, func() { q.ok(command.CodeAuditSetDomain, q.admin, &command.AuditDomainRequest{}, nil) })
	shown := image(t, q.flash)
	for _, role := range command.Roles {
		for _, kind := range []hsm.Secret{hsm.SecretRole, hsm.SecretDomain} {
			if bytes.Contains(shown, peopletest.Secret("", hsm.Subject{Secret: kind, Role: role})) {
				t.Errorf("the keyset of %s, kind %d, is on the flash", role, kind)
			}
		}
	}
	for _, text := range []string{coChallenge, firstChallenge, q.people.Shown()} {
		if text == "" || holds(shown, text) {
			t.Errorf("challenge secret %q is on the flash, or there is none", text)
		}
	}
	records, err := store.Open(q.flash)
	if err != nil {
		t.Fatal(err)
	}
	if found := r.onFlash(shown); len(found) != 1 || !bytes.Equal(found[0], records.RootKey()) {
		t.Errorf("%d keys are on the flash, want the root key alone", len(found))
	}
}
