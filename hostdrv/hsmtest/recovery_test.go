package hsmtest_test

import (
	"bytes"
	"context"
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

// domain is that of the HSM and of its partition.
const domain = "recovery-domain"

// build makes HSM SO, partition and Crypto Officer, with the domain, and logs the
// Crypto Officer in.
func build(t *testing.T, dev *hsmtest.Device) *hostdrv.Session {
	t.Helper()
	ctx, s := t.Context(), admin(t, dev)
	err := errors.Join(
		s.InitHSM(ctx, command.HSMInitRequest{
			Label: "hsm", Password: hsmtest.Password(command.RoleSO), Domain: []byte(domain),
			Policies: []command.PolicySetting{{ID: 21, Value: 0}},
		}),
		s.Login(ctx, command.RoleSO, hsmtest.Password(command.RoleSO)),
		s.CreatePartition(ctx),
	)
	if err == nil {
		err = buildPartition(ctx, dev)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dev.Login(t, command.RoleCO)
}

func buildPartition(ctx context.Context, dev *hsmtest.Device) error {
	s, err := dev.Driver.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	return errors.Join(
		s.InitPartition(ctx, command.PartitionInitRequest{Label: "keys", Password: hsmtest.Password(command.RolePO), Domain: []byte(domain)}),
		s.Login(ctx, command.RolePO, hsmtest.Password(command.RolePO)),
		s.InitRole(ctx, command.RoleCO, hsmtest.Password(command.RoleCO)),
		s.Logout(ctx),
		s.Close(ctx),
	)
}

// custodian enters the key that wraps others, which people keep.
func custodian(t *testing.T, keys *hostdrv.Session, secret []byte) command.Handle {
	t.Helper()
	key, err := keys.CreateObject(t.Context(), command.Template{
		command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyAES, command.AttrToken: true,
		command.AttrValue: secret, command.AttrWrap: true, command.AttrUnwrap: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestDestroyedDeviceIsBuiltAnew walks the second way of docs/recovery.md.
func TestDestroyedDeviceIsBuiltAnew(t *testing.T) {
	ctx, dev := t.Context(), hsmtest.Start(t, hsmtest.AsDelivered())
	secret, wrap := bytes.Repeat([]byte{7}, 32), command.Mechanism{Type: command.MechAESKeyWrapKWP}
	keys := build(t, dev)
	key, err := keys.GenerateKey(ctx, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{
		command.AttrToken: true, command.AttrValueLen: uint64(32), command.AttrExtractable: true, command.AttrEncrypt: true, command.AttrDecrypt: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	gcm := command.Mechanism{Type: command.MechAESGCM}
	document, err := keys.Encrypt(ctx, gcm, key, []byte("the document"))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := keys.WrapKey(ctx, wrap, custodian(t, keys, secret), key)
	if err != nil {
		t.Fatal(err)
	}

	dev.Tamper(t, command.TamperBatteryLost)
	dev = dev.PowerCycle(t)
	if err := admin(t, dev).ClearTamper(ctx); err != nil {
		t.Fatal(err)
	}
	if info, err := dev.Driver.Info(ctx); err != nil || info.State != command.HSMZeroized || info.Objects != 0 {
		t.Fatalf("info %+v, %v", info, err)
	}

	keys = build(t, dev)
	key, err = keys.UnwrapKey(ctx, wrap, custodian(t, keys, secret), wrapped.Wrapped, command.Template{
		command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyAES, command.AttrToken: true, command.AttrDecrypt: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	gcm.IV = document.IV
	if text, err := keys.Decrypt(ctx, gcm, key, document.Data); err != nil || string(text) != "the document" {
		t.Errorf("%q, %v", text, err)
	}
}
