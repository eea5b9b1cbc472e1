package hsm_test

import (
	"crypto/rand"
	"regexp"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/store"
)

func (u *unit) inTransport() bool {
	u.t.Helper()
	var r command.STMShowResponse
	u.ok(command.CodeSTMShow, u.admin, nil, &r)
	return r.Active
}

// transport begins Secure Transport Mode as the HSM SO.
func (u *unit) transport() (s command.STMStrings) {
	u.t.Helper()
	u.logIn(command.RoleSO)
	u.ok(command.CodeSTMTransport, u.admin, nil, &s)
	return s
}

// recover asks for the verification string.
func (u *unit) recover(random string, proceed bool) string {
	u.t.Helper()
	var r command.STMRecoverResponse
	u.ok(command.CodeSTMRecover, u.admin, &command.STMRecoverRequest{Random: random, Proceed: proceed}, &r)
	return r.Verification
}

func TestTransportStringsTellWhetherTheHSMWasTouched(t *testing.T) {
	for name, c := range map[string]struct {
		touch func(*unit) *unit
		same  bool
	}{
		"not at all":    {func(u *unit) *unit { return u }, true},
		"a power cycle": {(*unit).reboot, true},
		"a look":        {func(u *unit) *unit { u.info(); u.role(u.admin, command.RoleSO); return u }, true},
		"a login":       {func(u *unit) *unit { return u.logIn(command.RoleSO).reboot() }, true},
		"a wrong login": {func(u *unit) *unit {
			u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one")
			return u.reboot()
		}, false},
		"a tamper event": {func(u *unit) *unit {
			u.tamper(command.TamperOverTemperature)
			u.logIn(command.RoleSO).clearTamper()
			return u.reboot()
		}, false},
		"another attempt": {func(u *unit) *unit {
			u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one")
			u.logIn(command.RoleSO)
			return u.reboot()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := powerOn(t, stage(t).staffed.Clone())
			strings := u.transport()
			u = c.touch(u)
			u.do(command.StatusUserNotLoggedIn, command.CodeSTMRecover, u.admin, &command.STMRecoverRequest{Random: strings.Random}, nil)
			u.logIn(command.RoleSO)
			if got := u.recover(strings.Random, false); (got == strings.Verification) != c.same {
				t.Errorf("verification string %s, was %s", got, strings.Verification)
			}
			if !u.inTransport() {
				t.Error("asking ended the mode")
			}
			u.recover(strings.Random, true)
			if u.inTransport() || u.reboot().inTransport() {
				t.Error("the mode has not ended")
			}
		})
	}
}

func TestTransportLogsEveryoneOutAndLosesNothing(t *testing.T) {
	u := ready(t)
	key := u.aes("kept")
	u.transport()
	u.do(command.StatusSessionHandleInvalid, command.CodeSessionInfo, u.user, nil, nil)
	u.do(command.StatusUserNotLoggedIn, command.CodeLogout, u.admin, nil, nil)
	u.user = u.open(command.SlotPartition, false)
	u.login(command.StatusSTMCommand, u.user, command.RoleCO, coPassword)
	u.logIn(command.RoleSO).recover("aaaa-aaaa-aaaa-aaaa", true)
	u.logIn(command.RoleCO)
	if found := u.find(token("kept")); len(found) != 1 || found[0] != key {
		t.Errorf("found %v, want %d", found, key)
	}
	if another := u.aes("another"); another <= key {
		t.Errorf("handle %d was given again", another)
	}
}

func TestTransportStringsAreOfTheAlphabet(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9/]{4}(-[A-Za-z0-9/]{4}){3}$`)
	u := powerOn(t, stage(t).initialised.Clone())
	seen := map[string]bool{}
	for range 20 {
		s := u.transport()
		if !form.MatchString(s.Random) || !form.MatchString(s.Verification) || seen[s.Random] || seen[s.Verification] || s.Random == s.Verification {
			t.Fatalf("strings %+v", s)
		}
		seen[s.Random], seen[s.Verification] = true, true
		u.logIn(command.RoleSO).recover(s.Random, true)
		u.ok(command.CodeLogout, u.admin, nil, nil)
	}
}

func TestRecoverRefusals(t *testing.T) {
	u := powerOn(t, stage(t).transport.Clone()).logIn(command.RoleSO)
	for _, random := range []string{"", "abcd", "abcd-abcd-abcd-abc", "abcd-abcd-abcd-abcde", "abcd-abcd-abcd-abc+", "abcd-abcd-abcd-abcd-abcd", "abcdabcdabcdabcdabc"} {
		u.do(command.StatusArgumentsBad, command.CodeSTMRecover, u.admin, &command.STMRecoverRequest{Random: random, Proceed: true}, nil)
	}
	u.recover("abcd-abcd-abcd-abcd", true)
	u.do(command.StatusOperationRestricted, command.CodeSTMRecover, u.admin, &command.STMRecoverRequest{Random: "abcd-abcd-abcd-abcd"}, nil)
}

func TestThreeWrongPasswordsInTransportZeroize(t *testing.T) {
	u := powerOn(t, stage(t).transport.Clone())
	for _, want := range []command.Status{command.StatusPINIncorrect, command.StatusPINIncorrect, command.StatusSOLoginFailureThreshold} {
		u.login(want, u.admin, command.RoleSO, "a wrong one")
	}
	u = u.reboot()
	u.do(command.StatusSTMCommand, command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x", Password: []byte(soPassword)}, nil)
	u.recover("abcd-abcd-abcd-abcd", true) // nobody is left to log in
	u.initialise()
}

func TestShippedInTransportMode(t *testing.T) {
	chip := newChip(t, 64)
	open := func() *unit {
		records, err := store.Open(chip)
		if err != nil {
			t.Fatal(err)
		}
		h, err := hsm.Open(hsm.Config{Store: records, Entropy: rand.Reader, Serial: "7000001", Transport: true})
		if err != nil {
			t.Fatal(err)
		}
		u := &unit{t: t, hsm: h, flash: chip, host: h.Connect()}
		u.admin = u.open(command.SlotAdmin, false)
		return u
	}
	u := open()
	strings := u.hsm.Shipped()
	u = open()
	if again := u.hsm.Shipped(); again != (command.STMStrings{}) {
		t.Errorf("told again: %+v", again)
	}
	u.do(command.StatusSTMCommand, command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x", Password: []byte(soPassword)}, nil)
	if got := u.recover(strings.Random, true); got != strings.Verification {
		t.Errorf("verification string %s, want %s", got, strings.Verification)
	}
	if open().inTransport() {
		t.Error("in transport once more")
	}
}
