package hsm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"sync"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/store"
)

// The passwords of the fixtures.
const (
	soPassword = "so-secret-canary"
	poPassword = "po-secret-canary"
	coPassword = "co-secret-canary"

	adminPassword   = "administrator-secret-canary"
	auditorPassword = "auditor-secret-canary"
	lcoPassword     = "lco-secret-canary"
	cuPassword      = "cu-secret-canary"
)

// unit is an HSM on its own flash, with one host connected.
type unit struct {
	t      testing.TB
	flash  flash.Device
	hsm    *hsm.HSM
	host   *hsm.Host
	admin  uint32 // session with the HSM
	user   uint32 // session with the partition
	events chan command.Event
	people *peopletest.People // in front of it; nil: nobody, and roles have passwords
}

// newUnit returns an HSM as delivered, with an admin session.
func newUnit(t testing.TB) *unit {
	t.Helper()
	return powerOn(t, newChip(t, 128))
}

// newChip returns a blank chip of so many blocks of 4 KiB.
func newChip(t testing.TB, blocks int) *flash.Memory {
	t.Helper()
	chip, err := flash.NewMemory(flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: blocks})
	if err != nil {
		t.Fatal(err)
	}
	return chip
}

// powerOn starts an HSM on a chip.
func powerOn(t testing.TB, chip flash.Device) *unit {
	t.Helper()
	return powerOnWith(t, chip, rand.Reader)
}

func powerOnWith(t testing.TB, chip flash.Device, entropy io.Reader) *unit {
	t.Helper()
	return powerOnAs(t, chip, entropy, "7000001")
}

// powerOnAs gives a new HSM a serial number.
func powerOnAs(t testing.TB, chip flash.Device, entropy io.Reader, serial string) *unit {
	t.Helper()
	return powerOnConfig(t, chip, hsm.Config{Entropy: entropy, Serial: serial})
}

// powerOnAt gives an HSM a clock.
func powerOnAt(t testing.TB, chip flash.Device, clock func() time.Time) *unit {
	t.Helper()
	return powerOnConfig(t, chip, hsm.Config{Entropy: rand.Reader, Serial: "7000001", Clock: clock})
}

func powerOnConfig(t testing.TB, chip flash.Device, c hsm.Config) *unit {
	t.Helper()
	u := &unit{t: t, flash: chip, events: make(chan command.Event, 1000)}
	u.people, _ = c.Path.(*peopletest.People)
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	c.Store, c.Cost = records, auth.Quick
	if c.Boot == nil {
		c.Boot = new(loader)
	}
	c.Notify = func(e command.Event) { u.events <- e }
	u.hsm, err = hsm.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	u.host = u.hsm.Connect()
	u.admin = u.open(command.SlotAdmin, false)
	return u
}

// reboot cuts the power and starts again.
func (u *unit) reboot() *unit {
	u.t.Helper()
	if u.people != nil {
		return powerOnWithPeople(u.t, u.flash).unit
	}
	return powerOn(u.t, u.flash)
}

// method is how roles authenticate.
func (u *unit) method() command.AuthMethod {
	if u.people != nil {
		return command.AuthQuorum
	}
	return command.AuthPassword
}

// typed is what a host sends as a password or a domain: nothing where people present
// iKeys.
func (u *unit) typed(secret string) string {
	if u.people != nil {
		return ""
	}
	return secret
}

// mistake logs a role in with a wrong password or a wrong keyset.
func (u *unit) mistake(want command.Status, role command.Role) {
	u.t.Helper()
	if u.people != nil {
		u.people.Bring("stranger")
		defer u.people.Bring("")
	}
	u.login(want, u.session(role.Slot()), role, u.typed("a wrong one"))
}

// do runs a command and decodes its answer into out; the status must be want.
func (u *unit) do(want command.Status, code command.Code, session uint32, in, out any) {
	u.t.Helper()
	u.on(u.host, want, code, session, in, out)
}

func (u *unit) on(host *hsm.Host, want command.Status, code command.Code, session uint32, in, out any) {
	u.t.Helper()
	payload, err := command.Marshal(in)
	if err != nil {
		u.t.Fatal(err)
	}
	status, answer := host.Execute(context.Background(), code, session, payload)
	if status != want {
		u.t.Fatalf("%s: status %v, want %v%s", code, status, want, reason(answer))
	}
	if want != command.StatusOK {
		out = new(command.ErrorResponse)
	}
	if err := command.Unmarshal(answer, out); err != nil {
		u.t.Fatalf("%s: answer: %v", code, err)
	}
}

func reason(answer []byte) string {
	var e command.ErrorResponse
	if command.Unmarshal(answer, &e) != nil {
		return ""
	}
	return ": " + e.Cause + "; " + e.Hint
}

// ok runs a command that succeeds.
func (u *unit) ok(code command.Code, session uint32, in, out any) {
	u.t.Helper()
	u.do(command.StatusOK, code, session, in, out)
}

func (u *unit) open(slot command.Slot, readOnly bool) uint32 {
	u.t.Helper()
	return u.openOn(u.host, slot, readOnly)
}

func (u *unit) openOn(host *hsm.Host, slot command.Slot, readOnly bool) uint32 {
	u.t.Helper()
	var r command.SessionOpenResponse
	u.on(host, command.StatusOK, command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: slot, ReadOnly: readOnly}, &r)
	return r.Session
}

func (u *unit) login(want command.Status, session uint32, role command.Role, password string) {
	u.t.Helper()
	u.do(want, command.CodeLogin, session, &command.LoginRequest{Role: role, Password: []byte(password)}, nil)
}

// initialise makes the HSM SO and logs it in.
func (u *unit) initialise() *unit {
	u.t.Helper()
	u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{
		Label: "hsm-label", Password: []byte(soPassword), Policies: []command.PolicySetting{{ID: policy.ResetPIN, Value: 1}},
	}, nil)
	u.login(command.StatusOK, u.admin, command.RoleSO, soPassword)
	return u
}

// createPartition makes the partition and opens a session with it.
func (u *unit) createPartition() *unit {
	u.t.Helper()
	u.ok(command.CodePartitionCreate, u.admin, nil, nil)
	u.user = u.open(command.SlotPartition, false)
	return u
}

// initPartition makes the Partition SO and logs it in.
func (u *unit) initPartition() *unit {
	u.t.Helper()
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{Label: "partition-label", Password: []byte(poPassword)}, nil)
	u.login(command.StatusOK, u.user, command.RolePO, poPassword)
	return u
}

// firstPassword is what a role's superior gives it.
const firstPassword = "first-secret-canary"

// appoint has the role above, which is logged in, initialise a role. The role
// chooses its own password, unless it has a keyset, which is its own from the
// beginning. Then nobody is logged in.
func (u *unit) appoint(role command.Role, password string) {
	u.t.Helper()
	session := u.user
	if role.Slot() == command.SlotAdmin {
		session = u.admin
	}
	u.ok(command.CodeRoleInit, session, &command.RoleInitRequest{Role: role, Password: []byte(u.typed(firstPassword))}, nil)
	u.ok(command.CodeLogout, session, nil, nil)
	if u.people != nil {
		return
	}
	u.login(command.StatusOK, session, role, firstPassword)
	u.ok(command.CodeChangePassword, session, &command.ChangePasswordRequest{Old: []byte(firstPassword), New: []byte(password)}, nil)
	u.ok(command.CodeLogout, session, nil, nil)
}

// stages holds the flash of an HSM at each stage of its life. Password hashing
// is slow on purpose, so they are made once.
type stages struct {
	factory, initialised, created, partition, ready *flash.Memory

	staffed *flash.Memory // every role has its password

	tampered, transport *flash.Memory // staffed, and then tampered with, or in Secure Transport Mode
}

var (
	stagesOnce sync.Once
	allStages  stages
)

func stage(t testing.TB) stages {
	t.Helper()
	stagesOnce.Do(func() {
		u := newUnit(t)
		snap := func() *flash.Memory { return u.flash.(*flash.Memory).Clone() }
		allStages.factory = snap()
		u.initialise()
		allStages.initialised = snap()
		u.createPartition()
		allStages.created = snap()
		u.initPartition()
		allStages.partition = snap()
		u.appoint(command.RoleCO, coPassword)
		allStages.ready = snap()
		u.staff()
		allStages.staffed = snap()
		tampered := powerOn(t, snap())
		tampered.tamper(command.TamperOverTemperature)
		allStages.tampered = tampered.flash.(*flash.Memory)
		u.logIn(command.RoleSO).ok(command.CodeSTMTransport, u.admin, nil, new(command.STMStrings))
		allStages.transport = snap()
	})
	return allStages
}

// staff initialises the roles that ready has not.
func (u *unit) staff() {
	u.t.Helper()
	u.appoint(command.RoleAdministrator, adminPassword)
	u.ok(command.CodeRoleInit, u.admin, &command.RoleInitRequest{Role: command.RoleAuditor, Password: []byte(auditorPassword)}, nil)
	u.logIn(command.RoleCO).appoint(command.RoleLCO, lcoPassword)
	u.logIn(command.RoleCO).appoint(command.RoleCU, cuPassword)
}

// ready is an HSM with the Crypto Officer logged in.
func ready(t testing.TB) *unit {
	t.Helper()
	u := powerOn(t, stage(t).ready.Clone())
	u.user = u.open(command.SlotPartition, false)
	u.login(command.StatusOK, u.user, command.RoleCO, coPassword)
	return u
}

// session returns the usual session with a slot.
func (u *unit) session(slot command.Slot) uint32 {
	if slot == command.SlotAdmin {
		return u.admin
	}
	return u.user
}

func passwordOf(role command.Role) string {
	return map[command.Role]string{
		command.RoleSO: soPassword, command.RoleAdministrator: adminPassword, command.RoleAuditor: auditorPassword,
		command.RolePO: poPassword, command.RoleCO: coPassword, command.RoleLCO: lcoPassword, command.RoleCU: cuPassword,
	}[role]
}

// logIn logs a role in to its usual session.
func (u *unit) logIn(role command.Role) *unit {
	u.t.Helper()
	u.login(command.StatusOK, u.session(role.Slot()), role, u.typed(passwordOf(role)))
	return u
}

// again reboots and logs the Crypto Officer in.
func (u *unit) again() *unit {
	u.t.Helper()
	v := u.reboot()
	v.user = v.open(command.SlotPartition, false)
	v.login(command.StatusOK, v.user, command.RoleCO, coPassword)
	return v
}

func (u *unit) info() command.InfoResponse {
	u.t.Helper()
	var r command.InfoResponse
	u.ok(command.CodeInfo, 0, nil, &r)
	return r
}

func (u *unit) role(session uint32, role command.Role) command.RoleStateResponse {
	u.t.Helper()
	var r command.RoleStateResponse
	u.ok(command.CodeRoleState, session, &command.RoleStateRequest{Role: role}, &r)
	return r
}

var (
	p256 = []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}
	p384 = []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22}
)

// token is a template for a token object with a label, and more attributes in
// pairs of type and value.
func token(label string, more ...any) command.Template {
	t := command.Template{command.AttrToken: true, command.AttrLabel: label}
	for i := 0; i < len(more); i += 2 {
		t[more[i].(command.AttributeType)] = more[i+1]
	}
	return t
}

func (u *unit) aes(label string) command.Handle {
	u.t.Helper()
	return u.secret(command.MechAESKeyGen, token(label, command.AttrValueLen, uint64(32)))
}

func (u *unit) secret(m command.MechanismType, t command.Template) command.Handle {
	u.t.Helper()
	var r command.ObjectResponse
	u.ok(command.CodeGenerateKey, u.user, &command.GenerateKeyRequest{Mechanism: command.Mechanism{Type: m}, Template: t}, &r)
	return r.Object
}

func (u *unit) ec(label string, curve []byte) command.KeyPairResponse {
	u.t.Helper()
	return u.pair(command.MechECKeyPairGen, token(label, command.AttrECParams, curve), token(label))
}

func (u *unit) rsa(label string, bits uint64) command.KeyPairResponse {
	u.t.Helper()
	return u.pair(command.MechRSAKeyPairGen, token(label, command.AttrModulusBits, bits), token(label))
}

func (u *unit) pair(m command.MechanismType, public, private command.Template) command.KeyPairResponse {
	u.t.Helper()
	var r command.KeyPairResponse
	u.ok(command.CodeGenerateKeyPair, u.user, &command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: m}, Public: public, Private: private,
	}, &r)
	return r
}

func (u *unit) attributes(handle command.Handle, types ...command.AttributeType) command.Template {
	u.t.Helper()
	var r command.GetAttributesResponse
	u.ok(command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: handle, Types: types}, &r)
	return r.Attributes
}

func (u *unit) find(t command.Template) []command.Handle {
	u.t.Helper()
	var r command.FindObjectsResponse
	u.ok(command.CodeFindObjects, u.user, &command.FindObjectsRequest{Template: t}, &r)
	return r.Objects
}

func (u *unit) sign(m command.Mechanism, key command.Handle, data []byte) []byte {
	u.t.Helper()
	var r command.SignResponse
	u.ok(command.CodeSign, u.user, &command.SignRequest{Mechanism: m, Key: key, Data: data}, &r)
	return r.Signature
}

// image returns every byte of a chip.
func image(t testing.TB, chip flash.Device) []byte {
	t.Helper()
	p := make([]byte, chip.Geometry().Size())
	if err := chip.Read(0, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func holds(haystack []byte, needle string) bool { return bytes.Contains(haystack, []byte(needle)) }
