package hsm_test

import (
	"bytes"
	"crypto/rand"
	"slices"
	"sync"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/store"
)

// tamper has a sensor find something.
func (u *unit) tamper(cause command.TamperCause) {
	u.t.Helper()
	if err := u.hsm.Tamper(cause); err != nil {
		u.t.Fatal(err)
	}
}

func (u *unit) showTamper() (r command.TamperShowResponse) {
	u.t.Helper()
	u.ok(command.CodeTamperShow, u.admin, nil, &r)
	return r
}

func (u *unit) clearTamper() {
	u.t.Helper()
	u.ok(command.CodeTamperClear, u.admin, nil, nil)
}

// policies sets HSM policies of an HSM without anything to lose.
func (u *unit) policies(settings ...command.PolicySetting) {
	u.t.Helper()
	u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "hsm-label", Policies: settings}, nil)
}

// guarded is an HSM with every role, an object, and policies 40, 46 and 48.
func guarded(t testing.TB, decommission, keepBattery, controlled uint16) *unit {
	t.Helper()
	u := powerOn(t, stage(t).initialised.Clone()).logIn(command.RoleSO)
	u.policies(command.PolicySetting{ID: policy.DecommissionOnTamper, Value: decommission},
		command.PolicySetting{ID: policy.DisableDecommission, Value: keepBattery},
		command.PolicySetting{ID: policy.ControlledTamper, Value: controlled})
	u.createPartition().initPartition().appoint(command.RoleCO, coPassword)
	u.staff()
	u.logIn(command.RoleCO)
	u.aes("kept")
	return u
}

// TestTamperFollowsThePolicies has a cell for each combination of the policies
// 40, 46 and 48 and each kind of cause.
func TestTamperFollowsThePolicies(t *testing.T) {
	const (
		warns  = "warns"
		locks  = "locks"
		strips = "destroys the partition and its roles"
		all    = "destroys the HSM SO too, and locks"
	)
	for _, c := range []struct {
		p40, p46, p48   uint16
		sensor, battery string
	}{
		{0, 0, 0, warns, strips},
		{0, 0, 1, locks, all},
		{1, 0, 0, strips, strips},
		{1, 0, 1, all, all},
		{0, 1, 0, warns, warns},
		{0, 1, 1, locks, locks},
		{1, 1, 0, strips, strips},
		{1, 1, 1, all, all},
	} {
		base := guarded(t, c.p40, c.p46, c.p48).flash.(*flash.Memory)
		for _, info := range command.TamperTable {
			want := c.sensor
			if info.Cause == command.TamperBatteryLost {
				want = c.battery
			}
			u := powerOn(t, base.Clone())
			u.tamper(info.Cause)
			for _, u := range []*unit{u, u.reboot()} {
				if got := u.condition(); got != want {
					t.Errorf("policies 40=%d 46=%d 48=%d, %s: %s, want %s", c.p40, c.p46, c.p48, info.Name, got, want)
				}
			}
		}
	}
}

// condition tells what a tamper event has done.
func (u *unit) condition() string {
	u.t.Helper()
	show, i := u.showTamper(), u.info()
	so := u.role(u.admin, command.RoleSO).Initialised
	there := i.Partition == command.PartitionInitialised
	switch {
	case len(show.Events) != 1:
		return "shows no cause"
	case show.Latched && so && there && show.Login:
		return "locks"
	case show.Latched && !so && i.Partition == command.PartitionAbsent && !show.Login && i.State == command.HSMZeroized:
		return "destroys the HSM SO too, and locks"
	case !show.Latched && so && i.Partition == command.PartitionAbsent && i.State == command.HSMInitialised:
		return "destroys the partition and its roles"
	case !show.Latched && so && there && i.Objects == 1:
		return "warns"
	}
	return "something else"
}

func TestReactionIsWhatThePageSays(t *testing.T) {
	var v policy.Values
	v[policy.DecommissionOnTamper], v[policy.ControlledTamper] = 1, 1
	if r := hsm.ReactionTo(command.TamperOverVoltage, &v); !r.Locks || !r.Decommission {
		t.Errorf("%+v", r)
	}
}

func TestClearBringsEverythingBack(t *testing.T) {
	u := guarded(t, 0, 0, 1)
	pair := u.ec("signer", p256)
	u.ok(command.CodeLogout, u.user, nil, nil)
	before := u.info()
	u.tamper(command.TamperUnderTemperature)
	u.do(command.StatusSessionHandleInvalid, command.CodeSessionInfo, u.user, nil, nil)
	u = u.reboot()
	u.login(command.StatusHSMTampered, u.admin, command.RoleAuditor, auditorPassword)
	u.do(command.StatusUserNotLoggedIn, command.CodeTamperClear, u.admin, nil, nil)
	u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one")
	u.logIn(command.RoleSO)
	u.clearTamper()
	if show := u.showTamper(); len(show.Events) != 0 || show.Latched || show.Restart {
		t.Errorf("still shows %+v", show)
	}
	if n := u.role(u.admin, command.RoleSO).AttemptsLeft; n != 3 {
		t.Errorf("the HSM SO has %d attempts left", n)
	}
	u.do(command.StatusOperationRestricted, command.CodeTamperClear, u.admin, nil, nil)
	for range 2 {
		after := u.info()
		if after.Label != before.Label || after.PartitionLabel != before.PartitionLabel || after.Objects != before.Objects || after.Partition != before.Partition {
			t.Errorf("info %+v, was %+v", after, before)
		}
		u.user = u.open(command.SlotPartition, false)
		u.logIn(command.RoleCO)
		u.sign(command.Mechanism{Type: command.MechECDSA}, pair.Private, make([]byte, 32))
		if more := u.aes("after"); more <= pair.Private {
			t.Errorf("handle %d was given again", more)
		}
		u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: u.find(token("after"))[0]}, nil)
		u.host.Execute(t.Context(), command.CodeLogout, u.admin, nil) // the SO, the first time
		for _, role := range []command.Role{command.RoleAdministrator, command.RoleAuditor, command.RoleSO} {
			u.logIn(role)
			u.ok(command.CodeLogout, u.admin, nil, nil)
		}
		u = u.reboot()
	}
}

// TestLockedFlashOpensForTheSOAlone takes a copy of the flash while the HSM is
// locked: what is on it must open for the master tamper key of no other time, and
// not hold the recovery key.
func TestLockedFlashOpensForTheSOAlone(t *testing.T) {
	r := &recorder{}
	u := secretive(t, r)
	records, err := store.Open(u.flash)
	if err != nil {
		t.Fatal(err)
	}
	old := records.RootKey()
	u.tamper(command.TamperChassisOpened)
	shown := image(t, u.flash)
	if bytes.Contains(shown, old) {
		t.Error("the old master tamper key is on the flash")
	}
	if found := r.onFlash(shown); len(found) != 1 {
		t.Errorf("%d keys are on the flash, want the new master tamper key alone", len(found))
	}
	for _, canary := range []string{"label-canary", "partition-canary", "domain-canary", soPassword} {
		if holds(shown, canary) {
			t.Errorf("%q is on the flash", canary)
		}
	}
}

func TestThreeWrongPasswordsWhileTamperedZeroize(t *testing.T) {
	u := powerOn(t, stage(t).tampered.Clone())
	for _, want := range []command.Status{command.StatusPINIncorrect, command.StatusPINIncorrect, command.StatusSOLoginFailureThreshold} {
		u.login(want, u.admin, command.RoleSO, "a wrong one")
	}
	for _, u := range []*unit{u, u.reboot()} {
		show := u.showTamper()
		if i := u.info(); i.State != command.HSMZeroized || i.Partition != command.PartitionAbsent || !show.Latched || show.Login {
			t.Fatalf("info %+v, tamper %+v", i, show)
		}
	}
	u.clearTamper()
	if !u.role(u.admin, command.RoleAuditor).Initialised {
		t.Error("the Auditor is gone")
	}
	u.initialise()
}

func TestTamperOfAnHSMWithoutSO(t *testing.T) {
	u := newUnit(t)
	u.tamper(command.TamperOverTemperature)
	u.do(command.StatusHSMTampered, command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x", Password: []byte(soPassword)}, nil)
	u = u.reboot()
	u.do(command.StatusHSMTampered, command.CodeHSMFactoryReset, u.admin, nil, nil)
	u.clearTamper()
	u.initialise()
}

func TestMoreFindingsWhileTampered(t *testing.T) {
	u := powerOn(t, stage(t).tampered.Clone())
	u.tamper(command.TamperUnderVoltage)
	u.tamper(command.TamperOverTemperature)
	var causes []command.TamperCause
	for _, e := range u.showTamper().Events {
		causes = append(causes, e.Cause)
	}
	if !slices.Equal(causes, []command.TamperCause{command.TamperUnderVoltage, command.TamperOverTemperature}) {
		t.Errorf("causes %v", causes)
	}
	u = u.reboot().logIn(command.RoleSO)
	u.clearTamper()
	u.reboot().logIn(command.RoleSO)

	u = powerOn(t, stage(t).tampered.Clone())
	u.tamper(command.TamperBatteryLost)
	if i := u.info(); i.State != command.HSMZeroized {
		t.Errorf("info %+v", i)
	}
	if err := u.hsm.Tamper(99); err == nil {
		t.Error("a cause that is none was taken")
	}
}

func TestSomeCausesWantARestart(t *testing.T) {
	for _, info := range command.TamperTable {
		if info.Cause == command.TamperBatteryLost {
			continue // destroys the HSM SO by default
		}
		u := powerOn(t, stage(t).staffed.Clone())
		u.tamper(info.Cause)
		u.logIn(command.RoleSO)
		u.clearTamper()
		want := command.StatusOK
		if info.Restart {
			want = command.StatusHSMTampered
		}
		if show := u.showTamper(); show.Restart != info.Restart || show.Latched {
			t.Errorf("%s: %+v", info.Name, show)
		}
		u.do(want, command.CodeRandom, u.admin, &command.RandomRequest{Length: 1}, new(command.RandomResponse))
		u = u.reboot()
		u.ok(command.CodeRandom, u.admin, &command.RandomRequest{Length: 1}, new(command.RandomResponse))
	}
}

func TestRestartIsForTheOwner(t *testing.T) {
	u := newUnit(t)
	u.do(command.StatusOperationRestricted, command.CodeHSMRestart, u.admin, nil, nil)
	records, err := store.Open(newChip(t, 64))
	if err != nil {
		t.Fatal(err)
	}
	h, err := hsm.Open(hsm.Config{Store: records, Entropy: rand.Reader, Restarts: true})
	if err != nil {
		t.Fatal(err)
	}
	u = &unit{t: t, hsm: h, host: h.Connect()}
	u.admin = u.open(command.SlotAdmin, false)
	u.ok(command.CodeHSMRestart, u.admin, nil, nil)
}

func TestTamperIsToldAndRecorded(t *testing.T) {
	u := powerOn(t, stage(t).staffed.Clone())
	u.logIn(command.RoleAuditor)
	u.ok(command.CodeAuditSetDomain, u.admin, &command.AuditDomainRequest{Domain: []byte("d")}, nil)
	u.ok(command.CodeAuditSetConfig, u.admin, &command.AuditConfig{Mask: command.AuditMask(command.AuditManage | command.AuditSuccess)}, nil)
	for len(u.events) > 0 {
		<-u.events
	}
	u.tamper(command.TamperOverTemperature)
	if e := u.event(); e.Code != command.EventTampered || e.Text != "over-temperature" {
		t.Errorf("event %+v", e)
	}
	u = u.reboot().logIn(command.RoleSO)
	u.clearTamper()
	var r command.AuditReadResponse
	u.ok(command.CodeAuditRead, u.admin, &command.AuditReadRequest{}, &r)
	var told []command.Code
	for _, record := range r.Records {
		told = append(told, record.Event.Operation)
		if record.Event.Operation == command.CodeTamper && record.Event.Message != "over-temperature" {
			t.Errorf("record %+v", record.Event)
		}
	}
	if !slices.Equal(told, []command.Code{command.CodeTamper, command.CodeTamperClear}) {
		t.Errorf("recorded %v", told)
	}
}

// TestPowerCutDuringTamper cuts the power at every operation of a tamper event.
func TestPowerCutDuringTamper(t *testing.T) {
	for _, cause := range []command.TamperCause{command.TamperOverTemperature, command.TamperBatteryLost} {
		base := ready(t)
		base.aes("an object")
		before := base.flash.(*flash.Memory)
		done := before.Clone()
		powerOn(t, done).tamper(cause)
		allowed := []string{fingerprint(t, before), fingerprint(t, done)}
		for at, lost := 1, true; lost; at++ {
			for _, mode := range []flash.Mode{flash.Before, flash.TornPrefix, flash.TornBits, flash.TornWord, flash.TornUnsteady, flash.After} {
				chip := before.Clone()
				var err error
				err, lost = tamperWithCut(t, chip, cause, at, flash.Outcome{Mode: mode, Seed: uint64(at)})
				got := fingerprint(t, chip)
				if !slices.Contains(allowed, got) || err == nil && got != allowed[1] {
					t.Fatalf("%s, cut %v operation %d (%v): found %s, want one of %q", cause, mode, at, err, got, allowed)
				}
			}
		}
	}
}

func tamperWithCut(t testing.TB, chip *flash.Memory, cause command.TamperCause, at int, outcome flash.Outcome) (err error, lost bool) {
	t.Helper()
	cut := flash.NewPowerCut(chip, at, outcome)
	records, err := store.Open(cut)
	if err != nil {
		return err, cut.Lost()
	}
	h, err := hsm.Open(hsm.Config{Store: records, Entropy: rand.Reader})
	if err != nil {
		return err, cut.Lost()
	}
	return h.Tamper(cause), cut.Lost()
}

func TestInfoTellsWhyFewCommandsWork(t *testing.T) {
	u := powerOn(t, stage(t).transport.Clone())
	for _, c := range []struct {
		do   func()
		want command.Halt
	}{
		{func() {}, command.HaltTransport},
		{func() { u.tamper(command.TamperChassisOpened) }, command.HaltTransport | command.HaltTamper},
		{func() { u.logIn(command.RoleSO).clearTamper() }, command.HaltTransport | command.HaltRestart},
		{func() { u = u.reboot() }, command.HaltTransport},
		{func() { u.logIn(command.RoleSO).recover("aaaa-aaaa-aaaa-aaaa", true) }, 0},
	} {
		c.do()
		if got := u.info().Halt; got != c.want {
			t.Errorf("halt %q, want %q", got, c.want)
		}
	}
}

// TestTamperWhileOthersWork has tamper events come and go under the hands of
// hosts that work. Each of their commands succeeds or is refused, and nothing that
// was acknowledged is lost.
func TestTamperWhileOthersWork(t *testing.T) {
	u := guarded(t, 0, 0, 1)
	stop := make(chan struct{})
	made := make([]map[command.Handle]bool, 3)
	var working sync.WaitGroup
	for n := range made {
		made[n] = map[command.Handle]bool{}
		working.Go(func() { work(t, u.hsm.Connect(), made[n], stop) })
	}
	for range 5 {
		u.tamper(command.TamperOverTemperature)
		u.logIn(command.RoleSO).clearTamper()
		u.ok(command.CodeLogout, u.admin, nil, nil)
	}
	close(stop)
	working.Wait()
	u = u.again()
	found := u.find(nil)
	for _, list := range made {
		for handle := range list {
			if !slices.Contains(found, handle) {
				t.Errorf("object %d was acknowledged and is gone", handle)
			}
		}
	}
}

// work logs the Crypto Officer in and makes objects, over and over.
func work(t *testing.T, host *hsm.Host, made map[command.Handle]bool, stop <-chan struct{}) {
	do := func(code command.Code, session uint32, in, out any) command.Status {
		payload, err := command.Marshal(in)
		if err != nil {
			t.Error(err)
		}
		status, answer := host.Execute(t.Context(), code, session, payload)
		if status == command.StatusOK && out != nil {
			if err := command.Unmarshal(answer, out); err != nil {
				t.Error(err)
			}
		}
		return status
	}
	for {
		select {
		case <-stop:
			return
		default:
		}
		var s command.SessionOpenResponse
		var object command.ObjectResponse
		if do(command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotPartition}, &s) != command.StatusOK ||
			do(command.CodeLogin, s.Session, &command.LoginRequest{Role: command.RoleCO, Password: []byte(coPassword)}, nil) != command.StatusOK {
			continue
		}
		for do(command.CodeGenerateKey, s.Session, &command.GenerateKeyRequest{
			Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: token("x", command.AttrValueLen, uint64(16)),
		}, &object) == command.StatusOK && len(made) < 40 {
			made[object.Object] = true
		}
		do(command.CodeSessionClose, s.Session, nil, nil)
	}
}
