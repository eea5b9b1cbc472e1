package hsm_test

import (
	"crypto/rand"
	"maps"
	"slices"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
)

// held looks at what an HSM holds.
func (u *unit) held() hsm.Holdings {
	u.t.Helper()
	l, err := u.hsm.Holdings()
	if err != nil {
		u.t.Fatal(err)
	}
	return l
}

// converting starts an HSM in firmware that has objects in another data schema.
func converting(t *testing.T, u *unit) *unit {
	t.Helper()
	next := hsm.BuiltIn(hsm.Models()[0])
	next.Version, next.DataSchema = "7.9.9", hsm.LastDataSchema
	return powerOnConfig(t, u.flash, hsm.Config{Entropy: rand.Reader, Serial: "7000001", Firmware: next})
}

func TestHoldingsAreTheSameInEveryDataSchema(t *testing.T) {
	u := ready(t)
	u.aes("one")
	u.aes("two")
	before := u.held()
	if before.Schema != hsm.FirstDataSchema || before.Others != 0 || len(before.Records) < 10 {
		t.Fatalf("%+v", before)
	}
	u = converting(t, u)
	if err := u.hsm.Settle(); err != nil {
		t.Fatal(err)
	}
	after := u.held()
	if after.Schema != hsm.LastDataSchema || after.Firmware != "7.9.9" || after.Others != 0 || !maps.Equal(before.Records, after.Records) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
}

func TestHoldingsTellEveryChange(t *testing.T) {
	for name, change := range map[string]func(*unit){
		"a new object": func(u *unit) { u.aes("x") },
		"a wrong password": func(u *unit) {
			u.ok(command.CodeLogout, u.user, nil, nil)
			u.mistake(command.StatusPINIncorrect, command.RoleCO)
		},
		"a policy": func(u *unit) {
			u.logIn(command.RoleSO).ok(command.CodeHSMPolicyChange, u.admin, &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 16, Value: 0}}}, nil)
		},
		"an attribute": func(u *unit) {
			u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: 1, Attributes: command.Template{command.AttrLabel: "y"}}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := ready(t)
			u.aes("one")
			before := u.held()
			change(u)
			if maps.Equal(before.Records, u.held().Records) {
				t.Error("nothing is to be seen of it")
			}
		})
	}
}

func TestHoldingsOfASuspendedGenerationAreSeenSealed(t *testing.T) {
	u := powerOn(t, stage(t).tampered.Clone())
	before := u.held()
	names := slices.Collect(maps.Keys(before.Records))
	if !slices.ContainsFunc(names, func(name string) bool { return len(name) > 10 && name[:10] == "suspended/" }) {
		t.Errorf("%v", names)
	}
	if again := u.reboot().held(); !maps.Equal(before.Records, again.Records) {
		t.Errorf("%v, then %v", before.Records, again.Records)
	}
}

func TestHoldingsHaveTheLogAndVerifyIt(t *testing.T) {
	u := audited(t, "f,s,a,m,k")
	u.aes("one")
	stored := u.log()
	u = u.reboot()
	l := u.held()
	if len(l.Findings) > 0 || len(l.Log) == 0 || len(l.Log) < len(stored)-1 {
		t.Errorf("%d records of %d, %v", len(l.Log), len(stored), l.Findings)
	}
	u.logIn(command.RoleAuditor)
	u.ok(command.CodeAuditAcknowledge, u.admin, &command.AuditAcknowledgeRequest{Through: stored[0].Number}, nil)
	if l := u.reboot().held(); len(l.Findings) > 0 || len(l.Log) == 0 || l.Log[0].Number != stored[0].Number+1 {
		t.Errorf("after an acknowledgement: %+v", l)
	}
}
