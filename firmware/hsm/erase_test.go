package hsm_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// erasures brings each erasure of hsm.Erasures about, in the same order, to an
// HSM that holds everything, with the HSM SO and the Crypto Officer logged in.
var erasures = []func(*unit){
	func(u *unit) { u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil) },
	func(u *unit) { u.ok(command.CodeUpdateRollback, u.admin, nil, nil) },
	func(u *unit) { u.ok(command.CodeHSMZeroize, u.admin, nil, nil) },
	func(u *unit) { u.tamper(command.TamperBatteryLost) },
	func(u *unit) {
		u.destructively(command.PolicySetting{ID: policy.ControlledTamper, Value: 0}) // takes the partition
		u.createPartition().fill()
		u.tamper(command.TamperBatteryLost)
	},
	func(u *unit) { u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "second"}, nil) },
	func(u *unit) { u.ok(command.CodePartitionDelete, u.admin, nil, nil) },
	func(u *unit) { u.destructively(command.PolicySetting{ID: policy.ControlledTamper, Value: 0}) },
	func(u *unit) {
		u.ok(command.CodeLogout, u.user, nil, nil)
		for range 9 {
			u.mistake(command.StatusPINIncorrect, command.RolePO)
		}
		u.mistake(command.StatusPINIncorrectZeroized, command.RolePO)
	},
	func(u *unit) {
		u.ok(command.CodeLogout, u.user, nil, nil)
		u.logIn(command.RolePO)
		u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{Label: "second", Password: []byte(u.typed("another-po"))}, nil)
	},
	func(u *unit) {
		u.ok(command.CodeLogout, u.user, nil, nil)
		u.logIn(command.RolePO)
		u.ok(command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{
			Settings: []command.PolicySetting{{ID: 1, Value: 1}, {ID: 0, Value: 0}}, Destructive: true,
		}, nil)
	},
}

func (u *unit) destructively(settings ...command.PolicySetting) {
	u.t.Helper()
	u.ok(command.CodeHSMPolicyChange, u.admin, &command.PolicyChangeRequest{Settings: settings, Destructive: true}, nil)
}

// fill makes everything that a partition can hold, with canaries, and logs the
// Crypto Officer in.
func (u *unit) fill() {
	u.t.Helper()
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{
		Label: "partition-canary", Password: []byte(u.typed(poPassword)), Domain: []byte(u.typed("partition-domain-canary")),
		Policies: []command.PolicySetting{{ID: policy.MaxFailedLogins, Value: 7}},
	}, nil)
	u.logIn(command.RolePO).appoint(command.RoleCO, coPassword)
	u.logIn(command.RoleCO).appoint(command.RoleLCO, lcoPassword)
	u.logIn(command.RoleCO)
	u.secret(command.MechGenericSecretGen, token("label-canary", command.AttrValueLen, uint64(64)))
	u.pair(command.MechECKeyPairGen, token("label-canary", command.AttrECParams, p256, command.AttrID, []byte("id-canary")), token("label-canary"))
}

// authentications are how roles authenticate in the tests below: with whom in front
// of the device.
var authentications = []struct {
	name string
	path func() hsm.TrustedPath
}{
	{"passwords", func() hsm.TrustedPath { return nil }},
	{"keysets", func() hsm.TrustedPath { return new(peopletest.People) }},
}

// full is an HSM that holds everything there is, with the HSM SO and the Crypto
// Officer logged in.
func full(t testing.TB, r *recorder, path hsm.TrustedPath) *unit {
	t.Helper()
	return fill(powerOnConfig(t, newChip(t, 128), hsm.Config{Entropy: r, Serial: "7000001", Path: path}))
}

// fill makes everything of an HSM, with what policies permit besides.
func fill(u *unit, policies ...command.PolicySetting) *unit {
	u.t.Helper()
	u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{
		Label: "hsm-canary", Method: u.method(), Password: []byte(u.typed(soPassword)), Domain: []byte(u.typed("hsm-domain-canary")),
		Policies: append(policies, command.PolicySetting{ID: policy.ResetPIN, Value: 1}),
	}, nil)
	u.logIn(command.RoleSO).appoint(command.RoleAdministrator, adminPassword)
	u.ok(command.CodeRoleInit, u.admin, &command.RoleInitRequest{Role: command.RoleAuditor, Password: []byte(u.typed(auditorPassword))}, nil)
	u.logIn(command.RoleAuditor)
	u.ok(command.CodeAuditSetDomain, u.admin, &command.AuditDomainRequest{Domain: []byte(u.typed("audit-domain-canary"))}, nil)
	u.ok(command.CodeAuditSetConfig, u.admin, &command.AuditConfig{Mask: command.AuditAll}, nil)
	u.ok(command.CodeLogout, u.admin, nil, nil)
	u.logIn(command.RoleSO).createPartition().fill()
	return u
}

// contents tells what an HSM holds, of what full made. What a role has is
// proven by logging in.
func (u *unit) contents() (c hsm.Content) {
	u.t.Helper()
	has := func(content hsm.Content, there bool) {
		if there {
			c |= content
		}
	}
	i := u.info()
	has(hsm.ContentHSMLabel, i.Label == "hsm-canary")
	has(hsm.ContentHSMPolicies, u.policyOf(command.CodeHSMPolicies, u.admin, policy.ResetPIN) == 1)
	has(hsm.ContentSO, u.role(u.admin, command.RoleSO).Initialised)
	has(hsm.ContentAdministrator, u.role(u.admin, command.RoleAdministrator).Initialised)
	has(hsm.ContentAuditor, u.role(u.admin, command.RoleAuditor).Initialised)
	var status command.AuditStatusResponse
	u.ok(command.CodeAuditStatus, u.admin, nil, &status)
	has(hsm.ContentAuditLog, status.Mask == command.AuditAll && status.Head.Number > 10)
	has(hsm.ContentObjects, i.Objects == 3)
	has(hsm.ContentModules, len(u.modules()) == 1)
	has(hsm.ContentHSMDomain, u.hasDomain("hsm"))
	if i.Partition != command.PartitionAbsent {
		u.user = u.open(command.SlotPartition, false)
		has(hsm.ContentPartitionName, i.PartitionLabel == "partition-canary" && u.hasDomain("partition"))
		has(hsm.ContentPartitionPolicies, u.policyOf(command.CodePartitionPolicies, u.user, policy.MaxFailedLogins) == 7)
		has(hsm.ContentPartitionRoles, u.role(u.user, command.RoleCO).Initialised && u.role(u.user, command.RoleLCO).Initialised)
	}
	return c
}

func (u *unit) policyOf(code command.Code, session uint32, id policy.ID) uint16 {
	u.t.Helper()
	var r command.PoliciesResponse
	u.ok(code, session, nil, &r)
	for _, p := range r.Policies {
		if p.ID == id {
			return p.Value
		}
	}
	u.t.Fatalf("no policy %d", id)
	return 0
}

// hasDomain reports whether a record of the flash holds a domain, which no command
// tells.
func (u *unit) hasDomain(name string) bool {
	u.t.Helper()
	records, err := store.Open(u.flash.(*flash.Memory).Clone())
	if err != nil {
		u.t.Fatal(err)
	}
	v, _, err := vault.Open(records, rand.Reader)
	if err != nil {
		u.t.Fatal(err)
	}
	value, _, err := v.Get(name)
	if err != nil {
		u.t.Fatal(err)
	}
	var r struct {
		State    uint8                   `cbor:"1,keyasint"`
		Label    string                  `cbor:"2,keyasint,omitempty"`
		Domain   []byte                  `cbor:"3,keyasint,omitempty"`
		Policies []command.PolicySetting `cbor:"4,keyasint,omitempty"`
		Method   uint8                   `cbor:"5,keyasint,omitempty"`
	}
	if err := command.Unmarshal(value, &r); err != nil {
		u.t.Fatal(err)
	}
	return len(r.Domain) > 0
}

// ofUnit are the contents that full does not have: an HSM is locked while it has
// them. TestErasuresOfALockedHSM looks at these.
const ofUnit = hsm.ContentTampers | hsm.ContentTransport

// TestErasuresKeepWhatTheTableSays looks at each cell of the table, before and
// after a power cycle, with passwords and with keysets.
func TestErasuresKeepWhatTheTableSays(t *testing.T) {
	if rows := len(hsm.Erasures()); rows != len(erasures) {
		t.Fatalf("%d rows, %d ways to bring them about", rows, len(erasures))
	}
	for _, a := range authentications {
		for n, row := range hsm.Erasures() {
			t.Run(a.name+"/"+row.Event, func(t *testing.T) {
				u := fullWithModule(t, a.path())
				if n == 1 { // which there is none of where a rollback is possible
					u = full(t, &recorder{}, a.path())
				}
				for _, content := range hsm.ContentTable {
					if !(u.contents() | ofUnit).Has(content.Content) && (content.Content != hsm.ContentModules || n != 1) {
						t.Fatalf("before: no %s", content.Name)
					}
				}
				erasures[n](u)
				if u.showTamper().Latched {
					u.clearTamper()
				}
				u.keeps(&row)
				u = u.reboot()
				u.keeps(&row)
				u.rolesLogIn(row.Keeps)
			})
		}
	}
}

// keeps wants the HSM to hold what an erasure leaves, and nothing else.
func (u *unit) keeps(row *hsm.Erasure) {
	u.t.Helper()
	got, i := u.contents(), u.info()
	for _, content := range hsm.ContentTable {
		if content.Content&ofUnit == 0 && got.Has(content.Content) != row.Keeps.Has(content.Content) {
			u.t.Errorf("%s: there %v, the table says %v", content.Name, got.Has(content.Content), row.Keeps.Has(content.Content))
		}
	}
	if i.State != row.HSM || i.Partition != row.Partition {
		u.t.Errorf("HSM %v, partition %v, the table says %v and %v", i.State, i.Partition, row.HSM, row.Partition)
	}
	method := command.AuthNone // until the next initialisation chooses
	if row.Keeps.Has(hsm.ContentSO) {
		method = u.method()
	}
	if i.Method != method {
		u.t.Errorf("the roles have a %v, want %v", i.Method, method)
	}
}

// locked is an HSM in Secure Transport Mode that was tampered with.
func locked(t testing.TB, path hsm.TrustedPath) *unit {
	t.Helper()
	u := full(t, &recorder{}, path)
	u.ok(command.CodeSTMTransport, u.admin, nil, new(command.STMStrings))
	u = u.reboot()
	u.tamper(command.TamperOverTemperature)
	return u
}

// TestErasuresOfALockedHSM looks at the two cells that an HSM in use does not
// have, for the erasures that happen to one that is locked.
func TestErasuresOfALockedHSM(t *testing.T) {
	rows := hsm.Erasures()
	for _, a := range authentications {
		for name, c := range map[string]struct {
			row   hsm.Erasure
			erase func(*unit)
		}{
			"last wrong secret": {rows[2], func(u *unit) {
				for _, want := range []command.Status{command.StatusPINIncorrect, command.StatusPINIncorrect, command.StatusSOLoginFailureThreshold} {
					u.mistake(want, command.RoleSO)
				}
			}},
			"decommission": {rows[3], func(u *unit) { u.tamper(command.TamperBatteryLost) }},
		} {
			t.Run(a.name+"/"+name, func(t *testing.T) {
				u := locked(t, a.path())
				c.erase(u)
				u = u.reboot()
				if tampered := len(u.showTamper().Events) > 0; tampered != c.row.Keeps.Has(hsm.ContentTampers) {
					t.Errorf("tamper events there %v", tampered)
				}
				if u.inTransport() != c.row.Keeps.Has(hsm.ContentTransport) || u.info().State != c.row.HSM {
					t.Errorf("in transport %v, state %v", u.inTransport(), u.info().State)
				}
			})
		}
	}
}

// rolesLogIn wants those roles to log in that are kept.
func (u *unit) rolesLogIn(keeps hsm.Content) {
	u.t.Helper()
	for role, content := range map[command.Role]hsm.Content{
		command.RoleSO: hsm.ContentSO, command.RoleAdministrator: hsm.ContentAdministrator, command.RoleAuditor: hsm.ContentAuditor,
		command.RoleCO: hsm.ContentPartitionRoles, command.RoleLCO: hsm.ContentPartitionRoles,
	} {
		if keeps.Has(content) {
			u.logIn(role)
			u.ok(command.CodeLogout, u.session(role.Slot()), nil, nil)
		}
	}
}

// canaries are all that full planted, passwords and what keysets gave included.
func canaries() []string {
	all := []string{
		soPassword, poPassword, coPassword, lcoPassword, adminPassword, auditorPassword, firstPassword,
		"hsm-canary", "partition-canary", "label-canary", "id-canary", "hsm-domain-canary", "partition-domain-canary", "audit-domain-canary",
	}
	for _, role := range command.Roles {
		for _, kind := range []hsm.Secret{hsm.SecretRole, hsm.SecretDomain} {
			all = append(all, string(peopletest.Secret("", hsm.Subject{Secret: kind, Role: role})))
		}
	}
	return all
}

// TestErasuresLeaveNothingOnTheFlash scans the flash for what was planted and for
// every key that there was. The old master tamper key is gone, and without it
// nothing that was destroyed can be read.
func TestErasuresLeaveNothingOnTheFlash(t *testing.T) {
	for _, a := range authentications {
		for n, row := range hsm.Erasures() {
			t.Run(a.name+"/"+row.Event, func(t *testing.T) {
				r := &recorder{}
				u := full(t, r, a.path())
				records, err := store.Open(u.flash)
				if err != nil {
					t.Fatal(err)
				}
				old := records.RootKey()
				if !bytes.Contains(image(t, u.flash), old) {
					t.Fatal("the scan does not find what is there")
				}
				erasures[n](u)
				shown := image(t, u.flash)
				if bytes.Contains(shown, old) {
					t.Error("the old master tamper key is on the flash")
				}
				for _, canary := range canaries() {
					if holds(shown, canary) {
						t.Errorf("%q is on the flash", canary)
					}
				}
				if found := r.onFlash(shown); len(found) != 1 {
					t.Errorf("%d keys are on the flash, want the new master tamper key alone", len(found))
				}
			})
		}
	}
}
