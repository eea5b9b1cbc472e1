package hsm_test

import (
	"crypto/rand"
	"errors"
	"regexp"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/store"
)

const (
	firstChallenge = "first-challenge-canary"
	coChallenge    = "co-challenge-canary"
)

// setPolicy has the Partition SO set a policy.
func (q *crew) setPolicy(id, value uint8, destructive bool) {
	q.t.Helper()
	q.as(command.RolePO, func() {
		q.ok(command.CodePartitionPolicyChange, q.user, &command.PolicyChangeRequest{
			Settings: []command.PolicySetting{{ID: id, Value: uint16(value)}}, Destructive: destructive,
		}, nil)
	})
}

// challenge gives the Crypto Officer a challenge secret of its own.
func (q *crew) challenge() {
	q.t.Helper()
	q.as(command.RolePO, func() {
		q.ok(command.CodeRoleCreateChallenge, q.user, &command.RoleCreateChallengeRequest{Role: command.RoleCO, Secret: []byte(firstChallenge)}, nil)
	})
	q.enter(command.StatusOK, command.RoleCO, firstChallenge)
	q.ok(command.CodeChangePassword, q.user, &command.ChangePasswordRequest{Old: []byte(firstChallenge), New: []byte(coChallenge)}, nil)
	q.leave(command.RoleCO)
}

// activate has the Crypto Officer activated, as long as it has power.
func (q *crew) activate() {
	q.t.Helper()
	q.challenge()
	q.setPolicy(policy.Activation, 1, false)
	q.enter(command.StatusOK, command.RoleCO, coChallenge)
	q.leave(command.RoleCO)
}

func (q *crew) isActive(role command.Role) bool {
	q.t.Helper()
	return q.role(q.user, role).Activated
}

func TestChallengeSecretsAreFromTheRoleAbove(t *testing.T) {
	create := func(q *crew, want command.Status, role command.Role, secret string) {
		t.Helper()
		q.do(want, command.CodeRoleCreateChallenge, q.user, &command.RoleCreateChallengeRequest{Role: role, Secret: []byte(secret)}, nil)
	}
	q := quorum(t)
	q.as(command.RolePO, func() {
		create(q, command.StatusUserNotLoggedIn, command.RoleCU, coChallenge)
		create(q, command.StatusUserTypeInvalid, command.RolePO, coChallenge)
		create(q, command.StatusUserTypeInvalid, command.RoleSO, coChallenge)
		create(q, command.StatusPINLenRange, command.RoleCO, "short")
		create(q, command.StatusOK, command.RoleCO, coChallenge)
	})
	q = q.reboot()
	if s := q.role(q.user, command.RoleCO); s.Secondary != command.AuthPassword || !s.ChallengeDue || s.ChangeDue {
		t.Errorf("state %+v", s)
	}
	u := ready(t) // with passwords
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.do(command.StatusChallengeRequiresPED, command.CodeRoleCreateChallenge, u.user, &command.RoleCreateChallengeRequest{Role: command.RoleCO}, nil)
}

func TestDeviceMakesAndShowsAChallengeSecret(t *testing.T) {
	q := quorum(t)
	seen := map[string]bool{}
	for range 3 {
		q.as(command.RolePO, func() {
			q.ok(command.CodeRoleCreateChallenge, q.user, &command.RoleCreateChallengeRequest{Role: command.RoleCO}, nil)
		})
		text := q.people.Shown()
		if seen[text] || !regexp.MustCompile(`^([A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4}$`).MatchString(text) {
			t.Errorf("challenge secret %q", text)
		}
		seen[text] = true
		q.enter(command.StatusOK, command.RoleCO, text)
		q.leave(command.RoleCO)
	}
	q.setPolicy(policy.MaxPINLength, 12, false)
	q.as(command.RolePO, func() {
		asked := q.people.Times()
		q.do(command.StatusPINLenRange, command.CodeRoleCreateChallenge, q.user, &command.RoleCreateChallengeRequest{Role: command.RoleCO}, nil)
		if q.people.Times() != asked {
			t.Error("people were shown a challenge secret that is too long")
		}
	})
}

// TestChallengeOfAnotherIsForChangingOnly is HSM policy 21.
func TestChallengeOfAnotherIsForChangingOnly(t *testing.T) {
	q := quorum(t)
	q.as(command.RolePO, func() {
		q.ok(command.CodeRoleCreateChallenge, q.user, &command.RoleCreateChallengeRequest{Role: command.RoleCO, Secret: []byte(firstChallenge)}, nil)
	})
	q.enter(command.StatusOK, command.RoleCO, firstChallenge)
	q.do(command.StatusPINExpired, command.CodeGenerateKey, q.user, &command.GenerateKeyRequest{}, nil)
	q.people.Make("next")
	q.ok(command.CodeChangePassword, q.user, &command.ChangePasswordRequest{}, nil) // of the keyset: the challenge is due still
	q.do(command.StatusPINExpired, command.CodeGenerateKey, q.user, &command.GenerateKeyRequest{}, nil)
	change := func(want command.Status, from, to string) {
		t.Helper()
		q.do(want, command.CodeChangePassword, q.user, &command.ChangePasswordRequest{Old: []byte(from), New: []byte(to)}, nil)
	}
	change(command.StatusChallengeIncorrect, "a wrong one", coChallenge)
	change(command.StatusPINInvalid, firstChallenge, firstChallenge)
	change(command.StatusPINLenRange, firstChallenge, "short")
	change(command.StatusOK, firstChallenge, coChallenge)
	q.aes("now it may")
	if q.role(q.user, command.RoleCO).ChallengeDue {
		t.Error("the challenge is due still")
	}
	q.leave(command.RoleCO)
	q.people.Bring("next")
	q.enter(command.StatusChallengeIncorrect, command.RoleCO, firstChallenge)
	q.enter(command.StatusOK, command.RoleCO, coChallenge)
}

// TestLoginWithKeysetAndChallenge has every combination of what is presented, of a
// role that is activated or not, and of partition policy 15.
func TestLoginWithKeysetAndChallenge(t *testing.T) {
	const ok, wrongKeys, wrongAnswer = command.StatusOK, command.StatusPINIncorrect, command.StatusChallengeIncorrect
	for _, test := range []struct {
		name      string
		active    bool
		ignores   uint8 // policy 15
		keyset    string
		challenge string
		want      command.Status
		asked     bool
		spends    uint
	}{
		{"both", false, 1, "", coChallenge, ok, true, 0},
		{"wrong keyset", false, 1, "stranger", coChallenge, wrongKeys, true, 1},
		{"wrong challenge", false, 1, "", "a wrong one", wrongAnswer, true, 0},
		{"wrong challenge, counted", false, 0, "", "a wrong one", wrongAnswer, true, 1},
		{"both wrong", false, 1, "stranger", "a wrong one", wrongKeys, true, 1},
		{"no challenge", false, 1, "", "", command.StatusChallengeInvalid, false, 0},
		{"activated", true, 1, "stranger", coChallenge, ok, false, 0},
		{"activated, counted", true, 0, "stranger", coChallenge, ok, false, 0},
		{"activated, wrong challenge", true, 1, "", "a wrong one", wrongAnswer, false, 0},
		{"activated, wrong challenge, counted", true, 0, "", "a wrong one", wrongAnswer, false, 1},
		{"activated, no challenge", true, 0, "", "", command.StatusChallengeInvalid, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := quorum(t)
			q.setPolicy(policy.IgnoreChallenges, test.ignores, false)
			if q.challenge(); test.active {
				q.activate()
			}
			q.people.Bring("stranger")
			q.enter(wrongOr(test.active), command.RoleCO, "a wrong one") // one attempt is gone already, or not
			q.people.Bring(test.keyset)
			left, asked := q.role(q.user, command.RoleCO).AttemptsLeft, q.people.Times()
			q.enter(test.want, command.RoleCO, test.challenge)
			if (q.people.Times() > asked) != test.asked {
				t.Errorf("people were asked: %v", !test.asked)
			}
			got := q.role(q.user, command.RoleCO).AttemptsLeft
			if test.want == ok && got != 10 || test.want != ok && got != left-test.spends {
				t.Errorf("%d attempts left, had %d", got, left)
			}
			if test.want == ok {
				q.aes("works")
			}
		})
	}
}

func wrongOr(active bool) command.Status {
	if active {
		return command.StatusChallengeIncorrect
	}
	return command.StatusPINIncorrect
}

func TestWrongChallengesLockTheRole(t *testing.T) {
	q := quorum(t)
	q.activate()
	q.setPolicy(policy.IgnoreChallenges, 0, false)
	for range 9 {
		q.enter(command.StatusChallengeIncorrect, command.RoleCO, "a wrong one")
	}
	q.enter(command.StatusPINIncorrectLocked, command.RoleCO, "a wrong one")
	q.enter(command.StatusContainerLocked, command.RoleCO, coChallenge)
}

// TestWhatEndsActivation does each of the things that end it, and some that do not.
func TestWhatEndsActivation(t *testing.T) {
	const co = command.RoleCO
	for name, test := range map[string]struct {
		do   func(*crew) *crew
		ends bool
	}{
		"nothing":   {func(q *crew) *crew { return q }, false},
		"its login": {func(q *crew) *crew { q.enter(command.StatusOK, co, coChallenge); return q }, false},
		"its logout": {func(q *crew) *crew {
			q.enter(command.StatusOK, co, coChallenge)
			q.leave(co)
			return q
		}, false},
		"the end of the link": {func(q *crew) *crew {
			q.host.Close()
			q.host = q.hsm.Connect()
			q.admin, q.user = q.open(command.SlotAdmin, false), q.open(command.SlotPartition, false)
			return q
		}, false},
		"another challenge of its own": {func(q *crew) *crew {
			q.enter(command.StatusOK, co, coChallenge)
			q.ok(command.CodeChangePassword, q.user, &command.ChangePasswordRequest{Old: []byte(coChallenge), New: []byte(firstChallenge)}, nil)
			q.leave(co)
			q.people.Bring("stranger")
			q.enter(command.StatusOK, co, firstChallenge)
			return q
		}, false},
		"another keyset of its own": {func(q *crew) *crew {
			q.enter(command.StatusOK, co, coChallenge)
			q.people.Make("next")
			q.ok(command.CodeChangePassword, q.user, &command.ChangePasswordRequest{}, nil)
			return q
		}, false},
		"role-deactivate by itself": {func(q *crew) *crew {
			q.enter(command.StatusOK, co, coChallenge)
			q.ok(command.CodeRoleDeactivate, q.user, &command.RoleDeactivateRequest{Role: co}, nil)
			return q
		}, true},
		"role-deactivate by the Partition SO": {func(q *crew) *crew {
			q.as(command.RolePO, func() { q.ok(command.CodeRoleDeactivate, q.user, &command.RoleDeactivateRequest{Role: co}, nil) })
			return q
		}, true},
		"role-deactivate by the Crypto User": {func(q *crew) *crew {
			q.as(command.RoleCU, func() {
				q.do(command.StatusUserNotLoggedIn, command.CodeRoleDeactivate, q.user, &command.RoleDeactivateRequest{Role: co}, nil)
				q.do(command.StatusOperationRestricted, command.CodeRoleDeactivate, q.user, &command.RoleDeactivateRequest{Role: command.RoleCU}, nil)
				q.do(command.StatusUserTypeInvalid, command.CodeRoleDeactivate, q.user, &command.RoleDeactivateRequest{Role: command.RoleSO}, nil)
			})
			return q
		}, false},
		"role-reset": {func(q *crew) *crew {
			q.as(command.RolePO, func() { q.ok(command.CodeRoleReset, q.user, &command.RoleResetRequest{Role: co}, nil) })
			if q.role(q.user, co).Secondary != command.AuthNone {
				q.t.Error("the challenge secret outlives a reset")
			}
			return q
		}, true},
		"another challenge from above": {func(q *crew) *crew {
			q.as(command.RolePO, func() {
				q.ok(command.CodeRoleCreateChallenge, q.user, &command.RoleCreateChallengeRequest{Role: co, Secret: []byte(firstChallenge)}, nil)
			})
			return q
		}, true},
		"policy 22 off": {func(q *crew) *crew { q.setPolicy(policy.Activation, 0, false); return q }, true},
		"policy 23 on":  {func(q *crew) *crew { q.setPolicy(policy.AutoActivation, 1, false); return q }, false},
		"a destructive partition policy": {func(q *crew) *crew {
			q.enter(command.StatusOK, command.RolePO, "") // who is logged out by it
			q.ok(command.CodePartitionPolicyChange, q.user, &command.PolicyChangeRequest{
				Settings: []command.PolicySetting{{ID: policy.DigestKey, Value: 1}}, Destructive: true,
			}, nil)
			return q
		}, false},
		"loss of power": {(*crew).reboot, true},
		"a tamper event that locks": {func(q *crew) *crew {
			q.tamper(command.TamperOverTemperature)
			q.as(command.RoleSO, func() { q.ok(command.CodeTamperClear, q.admin, nil, nil) })
			q.user = q.open(command.SlotPartition, false)
			return q
		}, true},
		"a tamper event that warns": {func(q *crew) *crew {
			q.as(command.RoleSO, func() {
				q.ok(command.CodeHSMPolicyChange, q.admin, &command.PolicyChangeRequest{
					Settings: []command.PolicySetting{{ID: policy.ControlledTamper, Value: 0}}, Destructive: true,
				}, nil)
				q.createPartition()
				q.ok(command.CodePartitionInit, q.user, &command.PartitionInitRequest{Label: "partition-label"}, nil)
			})
			q.as(command.RolePO, func() { q.ok(command.CodeRoleInit, q.user, &command.RoleInitRequest{Role: co}, nil) })
			q.activate()
			if !q.isActive(co) {
				q.t.Error("not activated again")
			}
			q.tamper(command.TamperOverTemperature)
			return q
		}, true},
		"Secure Transport Mode": {func(q *crew) *crew {
			q.enter(command.StatusOK, command.RoleSO, "")
			var s command.STMStrings
			q.ok(command.CodeSTMTransport, q.admin, nil, &s)
			q.enter(command.StatusOK, command.RoleSO, "")
			var r command.STMRecoverResponse
			q.ok(command.CodeSTMRecover, q.admin, &command.STMRecoverRequest{Random: s.Random, Proceed: true}, &r)
			if r.Verification != s.Verification {
				q.t.Error("the verification strings differ")
			}
			q.user = q.open(command.SlotPartition, false)
			return q
		}, true},
	} {
		for _, auto := range []uint8{0, 1} {
			t.Run(name, func(t *testing.T) {
				q := quorum(t)
				q.setPolicy(policy.AutoActivation, auto, false)
				if q.activate(); !q.isActive(co) {
					t.Fatal("a login with keyset and challenge does not activate")
				}
				q = test.do(q)
				ends := test.ends && (name != "loss of power" || auto == 0)
				if q.isActive(co) == ends {
					t.Errorf("policy 23 %d: activated %v", auto, !ends)
				}
				if auto == 1 && test.ends != (name == "loss of power") {
					if q = q.reboot(); q.info().Partition == command.PartitionInitialised && q.isActive(co) == ends {
						t.Errorf("after a power cycle: activated %v", !ends)
					}
				}
			})
		}
	}
}

func TestActivationWantsAChallengeSecret(t *testing.T) {
	q := quorum(t)
	q.setPolicy(policy.Activation, 1, false)
	q.as(command.RoleCO, func() {})
	if q.isActive(command.RoleCO) {
		t.Error("activated without a challenge secret")
	}
	u := ready(t) // with passwords
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.do(command.StatusPolicyChangeIllegal, command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{
		Settings: []command.PolicySetting{{ID: policy.Activation, Value: 1}},
	}, nil)
}

// clock is one that a test sets.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

// autoActivated is an HSM with a Crypto Officer that stays activated without power.
func autoActivated(t *testing.T, c *clock) *crew {
	t.Helper()
	q := powerOnWithPeopleAt(t, quorum(t).flash, c.read)
	q.setPolicy(policy.AutoActivation, 1, false)
	q.activate()
	return q
}

// TestAutoActivationLastsTwoHours has the power away for so long, after the device
// was switched off properly or just lost it.
func TestAutoActivationLastsTwoHours(t *testing.T) {
	for name, test := range map[string]struct {
		away  time.Duration
		holds bool
	}{
		"not at all":           {0, true},
		"1 h 59 min":           {time.Hour + 59*time.Minute, true},
		"2 h":                  {2 * time.Hour, true},
		"2 h 1 min":            {2*time.Hour + time.Minute, false},
		"a year":               {365 * 24 * time.Hour, false},
		"clock set back":       {-time.Second, false},
		"clock set back a day": {-24 * time.Hour, false},
	} {
		for _, properly := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				c := &clock{noon}
				q := autoActivated(t, c)
				for range 5 { // it has power for some hours, and nothing to do
					c.now = c.now.Add(time.Hour)
					if err := q.hsm.Sync(); err != nil {
						t.Fatal(err)
					}
				}
				if properly {
					c.now = c.now.Add(59 * time.Minute) // without a Sync
					q.hsm.Close()
				}
				c.now = c.now.Add(test.away)
				for n := range 2 {
					q = powerOnWithPeopleAt(t, q.flash, c.read)
					if q.isActive(command.RoleCO) != test.holds {
						t.Fatalf("power-on %d: activated %v", n+1, !test.holds)
					}
				}
				q.people.Bring("stranger")
				if test.holds {
					q.enter(command.StatusOK, command.RoleCO, coChallenge)
					q.aes("works")
				} else {
					q.enter(command.StatusPINIncorrect, command.RoleCO, coChallenge)
				}
			})
		}
	}
}

// TestSettingTheClockBackStretchesNothing sets the clock back at every power cycle:
// what is past stays past.
func TestSettingTheClockBackStretchesNothing(t *testing.T) {
	c := &clock{noon}
	q := autoActivated(t, c)
	q.hsm.Close()
	var away time.Duration // in truth
	for away <= 2*time.Hour {
		c.now = c.now.Add(30 * time.Minute)
		away += 30 * time.Minute
		c.now = c.now.Add(-31 * time.Minute) // whoever hopes to gain by it
		q = powerOnWithPeopleAt(t, q.flash, c.read)
		if !q.isActive(command.RoleCO) {
			return
		}
		q.hsm.Close()
	}
	t.Errorf("still activated after %v", away)
}

// TestClockSetWhileThereIsPower has the flash know at once.
func TestClockSetWhileThereIsPower(t *testing.T) {
	c := &clock{noon}
	q := autoActivated(t, c)
	for _, step := range []time.Duration{-10 * time.Hour, 100 * time.Hour, -time.Second} {
		c.now = c.now.Add(step)
		if err := q.hsm.Sync(); err != nil {
			t.Fatal(err)
		}
		if q = powerOnWithPeopleAt(t, q.flash, c.read); !q.isActive(command.RoleCO) {
			t.Fatalf("not activated after %v", step)
		}
	}
}

// TestBeatsAreRare counts what the flash is told while nothing else happens.
func TestBeatsAreRare(t *testing.T) {
	c := &clock{noon}
	writes := 0
	chip := flash.NewTap(quorum(t).flash, func(op flash.Operation) error {
		writes++
		return nil
	})
	q := powerOnWithPeopleAt(t, chip, c.read)
	minute := func() int {
		t.Helper()
		writes = 0
		for range 60 {
			c.now = c.now.Add(time.Second)
			if err := q.hsm.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		return writes
	}
	if n := minute(); n != 0 {
		t.Errorf("%d writes without activation", n)
	}
	q.activate()
	if n := minute(); n != 0 {
		t.Errorf("%d writes with activation that a power cut ends", n)
	}
	q.setPolicy(policy.AutoActivation, 1, false)
	minute()
	if n := minute(); n == 0 || n > 8 {
		t.Errorf("%d writes in a minute with auto-activation", n)
	}
}

func TestBoundsOfActivation(t *testing.T) {
	if hsm.AutoActivation != 2*time.Hour || hsm.BeatInterval > time.Minute {
		t.Error("the product says two hours; a minute is what may be lost of them")
	}
}

// TestPowerCutsAtPowerOn cuts the power at every operation of a power-on that has
// something to write about activation: the one after it finds what it should.
func TestPowerCutsAtPowerOn(t *testing.T) {
	for name, test := range map[string]struct {
		away  time.Duration
		holds bool
	}{"it holds": {time.Hour, true}, "it is over": {3 * time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			c := &clock{noon}
			base := autoActivated(t, c).flash.(*flash.Memory)
			c.now = c.now.Add(test.away)
			cuts := 0
			for failed := true; failed; cuts++ {
				chip, count := base.Clone(), 0
				tap := flash.NewTap(chip, func(flash.Operation) error {
					if count++; count > cuts {
						return flash.ErrPowerLost
					}
					return nil
				})
				records, err := store.Open(tap)
				if err == nil {
					_, err = hsm.Open(hsm.Config{Store: records, Entropy: rand.Reader, Clock: c.read})
				}
				if failed = err != nil; failed && !errors.Is(err, flash.ErrPowerLost) {
					t.Fatal(err)
				}
				if got := powerOnWithPeopleAt(t, chip, c.read).isActive(command.RoleCO); got != test.holds {
					t.Errorf("cut before operation %d: activated %v", cuts+1, got)
				}
			}
			if cuts < 2 {
				t.Error("the power-on writes nothing")
			}
		})
	}
}
