package hsm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// scene is a command whose power is cut.
type scene struct {
	name    string
	before  *flash.Memory
	login   command.Role // who is logged in before; RoleNone: nobody
	slot    command.Slot
	code    command.Code
	request any
}

func scenes(t testing.TB) []scene {
	s := stage(t)
	u := ready(t)
	u.aes("an object")
	full := u.flash.(*flash.Memory)
	wrong := func(r command.Role) any { return &command.LoginRequest{Role: r, Password: []byte("a wrong one")} }
	return []scene{
		{
			"hard initialisation", s.factory, command.RoleNone, command.SlotAdmin, command.CodeHSMInit,
			&command.HSMInitRequest{Label: "x", Password: []byte(soPassword)},
		},
		{"soft initialisation", full, command.RoleSO, command.SlotAdmin, command.CodeHSMInit, &command.HSMInitRequest{Label: "x"}},
		{"zeroize", full, command.RoleSO, command.SlotAdmin, command.CodeHSMZeroize, nil},
		{"factory reset", full, command.RoleSO, command.SlotAdmin, command.CodeHSMFactoryReset, nil},
		{"factory reset of a new HSM", s.factory, command.RoleNone, command.SlotAdmin, command.CodeHSMFactoryReset, nil},
		{"clearing of a tamper event", tampered(t, full), command.RoleSO, command.SlotAdmin, command.CodeTamperClear, nil},
		{"last attempt of the SO while tampered", spent(t, tampered(t, full), command.RoleSO, 2), command.RoleNone, command.SlotAdmin, command.CodeLogin, wrong(command.RoleSO)},
		{"beginning of Secure Transport Mode", full, command.RoleSO, command.SlotAdmin, command.CodeSTMTransport, nil},
		{
			"end of Secure Transport Mode", s.transport, command.RoleSO, command.SlotAdmin, command.CodeSTMRecover,
			&command.STMRecoverRequest{Random: "aaaa-aaaa-aaaa-aaaa", Proceed: true},
		},
		{"partition creation", s.initialised, command.RoleSO, command.SlotAdmin, command.CodePartitionCreate, nil},
		{"partition deletion", full, command.RoleSO, command.SlotAdmin, command.CodePartitionDelete, nil},
		{
			"partition initialisation", s.created, command.RoleNone, command.SlotPartition, command.CodePartitionInit,
			&command.PartitionInitRequest{Label: "x", Password: []byte(poPassword)},
		},
		{"wrong password", full, command.RoleNone, command.SlotAdmin, command.CodeLogin, wrong(command.RoleSO)},
		{"last attempt of the SO", spent(t, full, command.RoleSO, 2), command.RoleNone, command.SlotAdmin, command.CodeLogin, wrong(command.RoleSO)},
		{"last attempt of the PO", spent(t, full, command.RolePO, 9), command.RoleNone, command.SlotPartition, command.CodeLogin, wrong(command.RolePO)},
		{"last attempt of the CO", spent(t, full, command.RoleCO, 9), command.RoleNone, command.SlotPartition, command.CodeLogin, wrong(command.RoleCO)},
		{
			"change of a password", full, command.RoleCO, command.SlotPartition, command.CodeChangePassword,
			&command.ChangePasswordRequest{Old: []byte(coPassword), New: []byte("new-password")},
		},
		{"key generation", full, command.RoleCO, command.SlotPartition, command.CodeGenerateKeyPair, &command.GenerateKeyPairRequest{
			Mechanism: command.Mechanism{Type: command.MechECKeyPairGen}, Public: token("x", command.AttrECParams, p256), Private: token("x"),
		}},
		{
			"change of an attribute", full, command.RoleCO, command.SlotPartition, command.CodeSetAttributes,
			&command.SetAttributesRequest{Object: 1, Attributes: command.Template{command.AttrID: []byte{1}}},
		},
		{"destruction of an object", full, command.RoleCO, command.SlotPartition, command.CodeDestroyObject, &command.DestroyObjectRequest{Object: 1}},
	}
}

// spent returns a chip on which a role has failed n times.
func spent(t testing.TB, chip *flash.Memory, role command.Role, n int) *flash.Memory {
	u := powerOn(t, chip.Clone())
	u.user = u.open(command.SlotPartition, false)
	for range n {
		u.login(command.StatusPINIncorrect, u.session(role.Slot()), role, "a wrong one")
	}
	return u.flash.(*flash.Memory)
}

// tampered returns a chip after a tamper event.
func tampered(t testing.TB, chip *flash.Memory) *flash.Memory {
	u := powerOn(t, chip.Clone())
	u.tamper(command.TamperOverTemperature)
	return u.flash.(*flash.Memory)
}

// fingerprint tells all that can be seen of a chip without a password.
func fingerprint(t testing.TB, chip *flash.Memory) string {
	t.Helper()
	u := powerOn(t, chip.Clone())
	i := u.info()
	tamper := u.showTamper()
	text := fmt.Sprint(i.State, i.Partition, i.Label, i.PartitionLabel, i.Objects, u.role(u.admin, command.RoleSO), tamper, u.inTransport())
	if i.Partition == command.PartitionAbsent || tamper.Latched || u.inTransport() {
		return text
	}
	u.user = u.open(command.SlotPartition, false)
	text += fmt.Sprint(u.role(u.user, command.RolePO), u.role(u.user, command.RoleCO))
	if i.Partition == command.PartitionInitialised {
		text += fmt.Sprint(u.find(nil))
	}
	return text
}

// play runs the scene with the power cut at an operation, counted from the
// start of the command, and returns the status and whether power was lost.
func (s scene) play(t testing.TB, chip *flash.Memory, at int, how flash.Outcome) (status command.Status, lost bool) {
	t.Helper()
	count := -1 // not counting yet
	u := powerOn(t, flash.NewTap(chip, func(o flash.Operation) error {
		switch {
		case lost:
			return flash.ErrPowerLost
		case count < 0:
			return nil
		}
		if count++; count != at {
			return nil
		}
		lost = true
		return errors.Join(o.Perform(chip, how), flash.ErrPowerLost)
	}))
	if s.slot == command.SlotPartition {
		u.user = u.open(command.SlotPartition, false)
	}
	if s.login != command.RoleNone {
		u.logIn(s.login)
	}
	payload, err := command.Marshal(s.request)
	if err != nil {
		t.Fatal(err)
	}
	count = 0
	status, _ = u.host.Execute(context.Background(), s.code, u.session(s.slot), payload)
	return status, lost
}

// TestPowerCuts cuts the power at every flash operation of every command that
// writes. What is found afterwards is the state before or the state after the
// command, or, for a password, that the attempt is counted; and what was
// acknowledged is there.
func TestPowerCuts(t *testing.T) {
	modes := []flash.Mode{flash.Before, flash.TornPrefix, flash.TornBits, flash.After}
	for _, s := range scenes(t) {
		t.Run(s.name, func(t *testing.T) {
			done := s.before.Clone()
			whole, _ := s.play(t, done, 0, flash.Outcome{})
			allowed := append(s.between(t), fingerprint(t, s.before), fingerprint(t, done))
			cuts := 0
			for at, lost := 1, true; lost; at++ {
				for _, mode := range modes {
					chip := s.before.Clone()
					var status command.Status
					status, lost = s.play(t, chip, at, flash.Outcome{Mode: mode, Seed: uint64(at)})
					got := fingerprint(t, chip)
					if !slices.Contains(allowed, got) {
						t.Fatalf("cut %v operation %d: found %s, want one of %q", mode, at, got, allowed)
					}
					if status == whole && got != allowed[len(allowed)-1] {
						t.Fatalf("cut %v operation %d: answered %v, yet found %s", mode, at, status, got)
					}
					if lost {
						cuts++
					}
				}
			}
			if cuts == 0 {
				t.Error("the command wrote nothing")
			}
		})
	}
}

// between returns the fingerprints of states that lie between before and after:
// a counted attempt whose outcome is not known yet, and for the last attempt of
// all what power-on makes of it.
func (s scene) between(t testing.TB) []string {
	t.Helper()
	if s.code != command.CodeChangePassword {
		return nil // for a wrong password, counted is the state after
	}
	return []string{fingerprint(t, spent(t, s.before, s.login, 1))}
}

// TestPowerCutNeverGivesAGuess tries to guess with the power cut at every
// operation of a login, over and over, and wants the attempts to run out.
func TestPowerCutNeverGivesAGuess(t *testing.T) {
	login := scene{
		code: command.CodeLogin, slot: command.SlotAdmin,
		request: &command.LoginRequest{Role: command.RoleSO, Password: []byte("a wrong one")},
	}
	for at := 1; at <= 3; at++ {
		chip := stage(t).ready.Clone()
		answered := 0
		for range 40 {
			status, lost := login.play(t, chip, at, flash.Outcome{Mode: flash.Before})
			if status == command.StatusPINNotInitialized {
				break
			}
			if lost && status != command.StatusDeviceError {
				t.Fatalf("cut before operation %d: %v tells that the password was looked at", at, status)
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

// TestCorruptRecordsAreRefused changes what a record says, under a store that
// is whole.
func TestCorruptRecordsAreRefused(t *testing.T) {
	for _, victim := range []string{"/hsm", "/partition", "/role/so", "/object/00000001"} {
		u := ready(t)
		u.ec("x", p256)
		records, err := store.Open(u.flash)
		if err != nil {
			t.Fatal(err)
		}
		var b store.Batch
		found := 0
		for key := range records.Keys("") {
			if strings.HasSuffix(key, victim) {
				b.Put(key, []byte("no sealed record, but long enough for one"))
				found++
			}
		}
		if found != 1 {
			t.Fatalf("%d records end in %s", found, victim)
		}
		if err := records.Commit(&b); err != nil {
			t.Fatal(err)
		}
		before := image(t, u.flash)
		_, err = hsm.Open(hsm.Config{Store: records, Entropy: rand.Reader})
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %v", victim, err)
		}
		if !bytes.Equal(before, image(t, u.flash)) {
			t.Errorf("%s: a corrupt state was changed", victim)
		}
	}
}

// TestForgedPrivateObject forges a record with the general storage key, which whoever
// holds the flash has, but without the partition key.
func TestForgedPrivateObject(t *testing.T) {
	u := ready(t)
	key := u.aes("x")
	records, err := store.Open(u.flash)
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := vault.Open(records, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := command.Marshal(map[int]any{1: true, 2: make([]byte, 100)})
	if err != nil {
		t.Fatal(err)
	}
	var c vault.Change
	c.Put(fmt.Sprintf("object/%08x", key), forged)
	if err := v.Commit(&c); err != nil {
		t.Fatal(err)
	}
	u = u.reboot()
	u.user = u.open(command.SlotPartition, false)
	u.login(command.StatusDeviceError, u.user, command.RoleCO, coPassword)
	if s := u.role(u.user, command.RoleCO); s.LoggedIn || s.AttemptsLeft != 10 {
		t.Errorf("state %+v", s)
	}
}

// TestFailedDestructionForgetsAnyway lets the flash fail at every operation of
// a zeroization and wants the running HSM to have forgotten its keys.
func TestFailedDestructionForgetsAnyway(t *testing.T) {
	for at, failed := 1, true; failed; at++ {
		count := -1
		u := powerOn(t, flash.NewTap(stage(t).ready.Clone(), func(flash.Operation) error {
			if count >= 0 {
				count++
			}
			if count >= at {
				return flash.ErrPowerLost
			}
			return nil
		}))
		u.user = u.open(command.SlotPartition, false)
		u.logIn(command.RoleSO).logIn(command.RoleCO)
		count = 0
		status, _ := u.host.Execute(t.Context(), command.CodeHSMZeroize, u.admin, nil)
		failed = status == command.StatusDeviceError
		if !failed && status != command.StatusOK {
			t.Fatalf("failure at operation %d: %v", at, status)
		}
		if i := u.info(); i.State != command.HSMZeroized || i.Partition != command.PartitionAbsent {
			t.Errorf("failure at operation %d: info %+v", at, i)
		}
		u.do(command.StatusSessionHandleInvalid, command.CodeSessionInfo, u.user, nil, nil)
		u.do(command.StatusUserNotLoggedIn, command.CodeLogout, u.admin, nil, nil)
	}
}

// TestLostRootKeyIsAZeroizedHSM is what remains if the root key was destroyed
// and nothing could be written in place of the old records.
func TestLostRootKeyIsAZeroizedHSM(t *testing.T) {
	chip := stage(t).ready.Clone()
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	if err := records.ReplaceRootKey(make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		i := powerOn(t, chip).info()
		if i.State != command.HSMZeroized || i.Objects != 0 || i.Label != "" || i.Serial != "7000001" {
			t.Errorf("info %+v", i)
		}
	}
}

func TestOpenNeedsStoreAndEntropy(t *testing.T) {
	if _, err := hsm.Open(hsm.Config{}); err == nil {
		t.Error("an HSM without store and entropy was opened")
	}
}
