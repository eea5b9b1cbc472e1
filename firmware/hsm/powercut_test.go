package hsm_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// The sweep over every command is in firmware/rehearse. What follows is what one
// sees only with a key of the house, or from a chip that fails and goes on.

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

// TestPowerCutNeverGivesAGuess tries to guess with the power cut at every
// operation of a login, over and over, and wants the attempts to run out.
func TestPowerCutNeverGivesAGuess(t *testing.T) {
	for at := 1; at <= 3; at++ {
		chip := stage(t).ready.Clone()
		answered := 0
		for range 40 {
			status, lost := guess(t, chip, at)
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

// guess tries a wrong password of the SO. The power is cut before an operation,
// counted from the start of the login; lost tells that it came to that.
func guess(t testing.TB, chip *flash.Memory, at int) (status command.Status, lost bool) {
	t.Helper()
	count := -1 // not counting yet
	u := powerOn(t, flash.NewTap(chip, func(flash.Operation) error {
		if count >= 0 {
			count++
		}
		if lost = lost || count == at; lost {
			return flash.ErrPowerLost
		}
		return nil
	}))
	payload, err := command.Marshal(&command.LoginRequest{Role: command.RoleSO, Password: []byte("a wrong one")})
	if err != nil {
		t.Fatal(err)
	}
	count = 0
	status, _ = u.host.Execute(t.Context(), command.CodeLogin, u.admin, payload)
	return status, lost
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
