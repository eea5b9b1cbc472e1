package hsmtest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"testing"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
	"usbhsm7/hostdrv/transport"
)

// authentications are how the roles of a device may log in.
var authentications = map[string][]hsmtest.Option{
	"passwords": nil,
	"people":    {hsmtest.Quorum(hsmtest.Custodians)},
}

// attended does something before it hands out each chunk.
type attended struct {
	boottest.File
	do func() error
}

func (a attended) Chunk(i int) ([]byte, error) {
	if err := a.do(); err != nil {
		return nil, err
	}
	return a.File.Chunk(i)
}

// signed signs a message and verifies it on the host.
func signed(key *hostdrv.Signer, message string) error {
	digest := sha256.Sum256([]byte(message))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err == nil && !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature) {
		err = fmt.Errorf("%q: the signature is wrong", message)
	}
	return err
}

// privateKey returns the handle of the key that generate made.
func privateKey(t *testing.T, s *hostdrv.Session) command.Handle {
	t.Helper()
	found, err := s.Find(t.Context(), command.Template{command.AttrLabel: "key"})
	if err != nil || len(found) != 1 {
		t.Fatalf("keys %v, %v", found, err)
	}
	return found[0]
}

// session opens another session of a role that is logged in.
func session(t *testing.T, dev *hsmtest.Device, role command.Role) *hostdrv.Session {
	t.Helper()
	s, err := dev.Driver.OpenSession(t.Context(), role.Slot(), hostdrv.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signInParts signs parts, each of which it reads when the device has those before.
func signInParts(t *testing.T, s *hostdrv.Session, parts ...func() (string, error)) ([]byte, error) {
	t.Helper()
	op, err := s.Begin(t.Context(), command.OperationSign, command.Mechanism{Type: command.MechECDSASHA256}, privateKey(t, s))
	for _, part := range parts {
		var data string
		if err == nil {
			data, err = part()
		}
		if err == nil {
			_, err = op.Update(t.Context(), []byte(data))
		}
	}
	if err != nil {
		return nil, err
	}
	return op.Finish(t.Context(), nil)
}

func part(data string) func() (string, error) { return func() (string, error) { return data, nil } }

// The device serves other sessions as ever while it takes an update: signatures come
// between the chunks, and the whole upload comes between two parts of another.
func TestSignaturesGoOnWhileAnUpdateIsUploaded(t *testing.T) {
	for name, options := range authentications {
		t.Run(name, func(t *testing.T) {
			dev := hsmtest.Start(t, options...)
			officer, so := dev.Login(t, command.RoleCO), dev.Login(t, command.RoleSO)
			key, f := generate(t, officer), release(t, newer(), nil)
			var count atomic.Int64
			busy := attended{f, func() error { return signed(key, fmt.Sprint("message ", count.Add(1))) }}
			signature, err := signInParts(t, session(t, dev, command.RoleCO), part("one "), func() (string, error) {
				return "two", so.Upload(t.Context(), busy, boottest.Code[:], nil)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := count.Load(); got != int64(len(f.Chunks)) || got < 5 {
				t.Errorf("%d signatures in %d chunks", got, len(f.Chunks))
			}
			if s := firmware(t, so); s.State != command.UpdateStaged {
				t.Errorf("status %+v", s)
			}
			digest, half := sha256.Sum256([]byte("one two")), len(signature)/2
			r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
			if !ecdsa.Verify(key.Public().(*ecdsa.PublicKey), digest[:], r, s) {
				t.Error("the signature over parts is wrong")
			}
		})
	}
}

// A signature is under way when an update is applied and the device restarts: its
// session is lost and says so. The driver finds the device again, with the key.
func TestAnUpdateIsAppliedWhileASignatureIsUnderWay(t *testing.T) {
	for name, options := range authentications {
		t.Run(name, func(t *testing.T) {
			dev := hsmtest.Start(t, options...)
			officer, so := dev.Login(t, command.RoleCO), dev.Login(t, command.RoleSO)
			before := generate(t, officer)
			if err := so.Upload(t.Context(), release(t, newer(), nil), boottest.Code[:], nil); err != nil {
				t.Fatal(err)
			}
			_, err := signInParts(t, officer, part("one "), func() (string, error) {
				err := so.ApplyUpdate(t.Context())
				dev.Restart(t)
				return "two", err
			})
			if !errors.Is(err, transport.ErrDisconnected) {
				t.Errorf("the signature under way: %v, want %v", err, transport.ErrDisconnected)
			}
			if err := dev.Driver.Follow(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := signed(before, "lost"); !errors.Is(err, hostdrv.ErrSessionLost) {
				t.Errorf("the session from before: %v, want %v", err, hostdrv.ErrSessionLost)
			}
			if got := dev.Driver.Capabilities().Firmware; got != "7.9.3" {
				t.Errorf("firmware %s", got)
			}
			officer = dev.Login(t, command.RoleCO)
			after := signer(t, officer, privateKey(t, officer))
			if err := signed(after, "again"); err != nil || !before.Public().(*ecdsa.PublicKey).Equal(after.Public()) {
				t.Errorf("%v, or another key", err)
			}
		})
	}
}
