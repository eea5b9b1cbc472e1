package usbip_test

import (
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/capture"
)

// What is on iKeys, and a challenge secret that the device makes, are in no capture,
// one with secrets included; a challenge secret that a host sends is in that one.
func TestCaptureHoldsNothingOfWhatPeopleHave(t *testing.T) {
	for _, redacted := range []bool{true, false} {
		r, people := startRecorder(t, capture.Header{Redacted: redacted}), new(peopletest.People)
		shown := talkWithPeople(t, export(t, r.port(newUnitWith(t, people))), people)
		file := r.stop(t)
		for _, role := range command.Roles {
			for _, kind := range []hsm.Secret{hsm.SecretRole, hsm.SecretDomain} {
				if holdsPart(file, peopletest.Secret("", hsm.Subject{Role: role, Secret: kind})) {
					t.Errorf("redacted %v: the capture has a part of the keyset of %s, kind %d", redacted, role, kind)
				}
			}
		}
		if shown == "" || holdsPart(file, []byte(shown)) {
			t.Errorf("redacted %v: the capture has a part of the challenge secret %q that was shown, or there is none", redacted, shown)
		}
		if holdsPart(file, canary("CO password")) == redacted {
			t.Errorf("redacted %v: the challenge secret that was sent is there: %v", redacted, redacted)
		}
	}
}

// talkWithPeople makes and uses every keyset, and returns the challenge secret that
// the people were shown.
func talkWithPeople(t *testing.T, bus *usbip.Bus, people *peopletest.People) (shown string) {
	t.Helper()
	ctx := t.Context()
	dev, err := hostdrv.Dial(ctx, bus, transport.Selector{}, hostdrv.Options{})
	must(t, err)
	defer dev.Close()
	admin, err := dev.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	must(t, err)
	must(t, admin.InitHSM(ctx, command.HSMInitRequest{
		Label: "demo", Method: command.AuthQuorum, Policies: []command.PolicySetting{{ID: 21, Value: 0}},
	}))
	must(t, admin.InitRole(ctx, command.RoleAuditor, nil))
	must(t, admin.Login(ctx, command.RoleAuditor, nil))
	must(t, admin.SetAuditDomain(ctx, nil))
	must(t, admin.Logout(ctx))
	must(t, admin.Login(ctx, command.RoleSO, nil))
	must(t, admin.InitRole(ctx, command.RoleAdministrator, nil))
	must(t, admin.CreatePartition(ctx))
	s, err := dev.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	must(t, err)
	must(t, s.InitPartition(ctx, command.PartitionInitRequest{Label: "keys"}))
	must(t, s.Login(ctx, command.RolePO, nil))
	must(t, s.InitRole(ctx, command.RoleCO, nil))
	must(t, s.CreateChallenge(ctx, command.RoleCO, nil))
	shown = people.Shown()
	must(t, s.CreateChallenge(ctx, command.RoleCO, canary("CO password")))
	must(t, s.Logout(ctx))
	must(t, s.Login(ctx, command.RoleCO, canary("CO password")))
	must(t, s.InitRole(ctx, command.RoleLCO, nil))
	must(t, s.InitRole(ctx, command.RoleCU, nil))
	return shown
}
