package hsmtest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

// admin opens a session with the HSM.
func admin(t *testing.T, dev *hsmtest.Device) *hostdrv.Session {
	t.Helper()
	s, err := dev.Driver.OpenSession(t.Context(), command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTamperedDeviceComesBack walks the first way of docs/recovery.md.
func TestTamperedDeviceComesBack(t *testing.T) {
	dev := hsmtest.Start(t)
	keys := dev.Login(t, command.RoleCO)
	before := generate(t, keys)
	dev.Tamper(t, command.TamperChassisOpened)
	if _, err := keys.Random(t.Context(), 1); err == nil {
		t.Error("the session with the partition goes on")
	}
	if _, err := dev.Driver.OpenSession(t.Context(), command.SlotPartition, hostdrv.SessionOptions{}); err != nil {
		t.Error(err)
	}
	s := admin(t, dev)
	if err := s.ClearTamper(t.Context()); !errors.Is(err, command.StatusUserNotLoggedIn) {
		t.Errorf("cleared by nobody: %v", err)
	}
	if err := errors.Join(s.Login(t.Context(), command.RoleSO, hsmtest.Password(command.RoleSO)), s.ClearTamper(t.Context())); err != nil {
		t.Fatal(err)
	}
	if show, err := s.Tamper(t.Context()); err != nil || !show.Restart {
		t.Errorf("%+v, %v", show, err)
	}
	dev = dev.PowerCycle(t)
	keys = dev.Login(t, command.RoleCO)
	private, err := keys.Find(t.Context(), command.Template{command.AttrLabel: "key"})
	if err != nil || len(private) != 1 {
		t.Fatalf("found %v, %v", private, err)
	}
	digest := sha256.Sum256([]byte("message"))
	signature, err := signer(t, keys, private[0]).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(before.Public().(*ecdsa.PublicKey), digest[:], signature) {
		t.Errorf("the key is another one: %v", err)
	}
}
