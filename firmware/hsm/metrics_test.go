package hsm_test

import (
	"crypto/rand"
	"maps"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
)

func (u *unit) metrics() map[command.UseCount]uint64 {
	u.t.Helper()
	var r command.MetricsResponse
	u.ok(command.CodePartitionMetrics, u.admin, nil, &r)
	counts := map[command.UseCount]uint64{}
	for _, c := range r.Counts {
		counts[command.UseCount{Mechanism: c.Mechanism, Use: c.Use}] = c.Count
	}
	return counts
}

func TestUsesAreCountedWhilePolicy49IsOn(t *testing.T) {
	u := ready(t).logIn(command.RoleSO)
	pair, digest := u.ec("ec", p256), &command.DigestRequest{Mechanism: command.Mechanism{Type: command.MechSHA256}}
	u.do(command.StatusOperationRestricted, command.CodePartitionMetrics, u.admin, nil, nil)
	u.ok(command.CodeDigest, u.user, digest, new(command.DigestResponse))
	u.hsmPolicy(policy.UtilizationMetrics, 1, false)
	u.repeat(3, u.signOnce(pair))
	u.ok(command.CodeDigest, u.user, digest, new(command.DigestResponse))
	u.do(command.StatusKeyTypeInconsistent, command.CodeSign, u.user, &command.SignRequest{Mechanism: command.Mechanism{Type: command.MechSHA256RSAPKCS}, Key: pair.Private}, nil)
	u.aes("made")
	want := map[command.UseCount]uint64{
		{Mechanism: command.MechECDSA, Use: command.UseSign}:         3,
		{Mechanism: command.MechECDSA, Use: command.UseVerify}:       3,
		{Mechanism: command.MechSHA256, Use: command.UseDigest}:      1,
		{Mechanism: command.MechAESKeyGen, Use: command.UseGenerate}: 1,
	}
	if got := u.metrics(); !maps.Equal(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
	u = u.reboot().logIn(command.RoleSO)
	if got := u.metrics(); len(got) != 0 {
		t.Errorf("counts %v after a restart", got)
	}
}

// settable is a clock for hsm.Config.
type settable struct{ now time.Time }

func (c *settable) set(t time.Time) { c.now = t }

func TestHostSetsTheClockIfPolicy57Allows(t *testing.T) {
	clock := &settable{time.Unix(1_800_000_000, 0)}
	u := powerOnConfig(t, stage(t).ready.Clone(), hsm.Config{
		Entropy: rand.Reader, Serial: "7000001", Clock: func() time.Time { return clock.now }, SetClock: clock.set,
	}).logIn(command.RoleSO)
	sync := func(want command.Status, seconds uint64) {
		t.Helper()
		u.do(want, command.CodeTimeSync, u.admin, &command.DeviceTime{Seconds: seconds}, nil)
	}
	sync(command.StatusOperationRestricted, 1_900_000_000)
	u.hsmPolicy(policy.HostTime, 1, false)
	sync(command.StatusLogBadTime, command.MaxTime+1)
	sync(command.StatusOK, 1_900_000_000)
	var shown command.DeviceTime
	u.ok(command.CodeTimeGet, u.admin, nil, &shown)
	if shown.Seconds != 1_900_000_000 || clock.now.Unix() != 1_900_000_000 {
		t.Errorf("the clock shows %d", shown.Seconds)
	}
}

func TestSettingTheClockDoesNotShortenADelay(t *testing.T) {
	clock := &settable{time.Unix(1_800_000_000, 0)}
	u := powerOnConfig(t, stage(t).staffed.Clone(), hsm.Config{
		Entropy: rand.Reader, Serial: "7000001", Clock: func() time.Time { return clock.now }, SetClock: clock.set,
	}).logIn(command.RoleSO)
	u.hsmPolicy(policy.HostTime, 1, false)
	u.ok(command.CodeLogout, u.admin, nil, nil)
	u.login(command.StatusPINIncorrect, u.admin, command.RoleAuditor, "a wrong one")
	u.login(command.StatusPINIncorrect, u.admin, command.RoleAuditor, "a wrong one")
	u.login(command.StatusAuditLoginThreshold, u.admin, command.RoleAuditor, "a wrong one")
	u.logIn(command.RoleSO)
	u.ok(command.CodeTimeSync, u.admin, &command.DeviceTime{Seconds: 1_900_000_000}, nil)
	u.ok(command.CodeLogout, u.admin, nil, nil)
	u.login(command.StatusAuditLoginTimeout, u.admin, command.RoleAuditor, auditorPassword)
	clock.now = clock.now.Add(hsm.AuditorDelay)
	u.login(command.StatusOK, u.admin, command.RoleAuditor, auditorPassword)
}

func TestAClockThatCannotBeSet(t *testing.T) {
	u := ready(t).logIn(command.RoleSO)
	u.hsmPolicy(policy.HostTime, 1, false)
	u.do(command.StatusOperationRestricted, command.CodeTimeSync, u.admin, &command.DeviceTime{}, nil)
}
