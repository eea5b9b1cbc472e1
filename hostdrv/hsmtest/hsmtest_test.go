package hsmtest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var p256 = []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}

// generate makes a P-256 key and returns a signer for it.
func generate(t *testing.T, keys *hostdrv.Session) *hostdrv.Signer {
	t.Helper()
	pair, err := keys.GenerateKeyPair(t.Context(), command.Mechanism{Type: command.MechECKeyPairGen},
		command.Template{command.AttrToken: true, command.AttrECParams: p256},
		command.Template{command.AttrToken: true, command.AttrLabel: "key"})
	if err != nil {
		t.Fatal(err)
	}
	return signer(t, keys, pair.Private)
}

func signer(t *testing.T, keys *hostdrv.Session, private command.Handle) *hostdrv.Signer {
	t.Helper()
	s, err := keys.Signer(t.Context(), private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStartGivesADeviceThatSigns(t *testing.T) {
	dev := hsmtest.Start(t)
	key := generate(t, dev.Login(t, command.RoleCO))
	digest := sha256.Sum256([]byte("message"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature) {
		t.Errorf("signature %x, %v", signature, err)
	}
}

func TestForksGoTheirOwnWay(t *testing.T) {
	dev := hsmtest.Start(t)
	keys := dev.Login(t, command.RoleCO)
	public := generate(t, keys).Public().(*ecdsa.PublicKey)
	fork := dev.Fork(t)
	other := fork.Login(t, command.RoleCO)
	found, err := other.Find(t.Context(), command.Template{command.AttrLabel: "key"})
	if err != nil || len(found) != 1 || !signer(t, other, found[0]).Public().(*ecdsa.PublicKey).Equal(public) {
		t.Fatalf("the fork has keys %v, %v", found, err)
	}
	if err := other.Destroy(t.Context(), found[0]); err != nil {
		t.Fatal(err)
	}
	if left, err := keys.Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(left) != 1 {
		t.Errorf("the device has keys %v after the fork destroyed its own, %v", left, err)
	}
}

func TestAThousandForksOfOneDevice(t *testing.T) {
	forks := 1000
	if testing.Short() {
		forks = 100
	}
	dev := hsmtest.Start(t)
	own := dev.Login(t, command.RoleCO)
	generate(t, own)
	for i := range forks {
		t.Run("fork", func(t *testing.T) {
			keys := dev.Fork(t).Login(t, command.RoleCO)
			found, err := keys.Find(t.Context(), command.Template{command.AttrToken: true})
			if err != nil || len(found) != 2 {
				t.Fatalf("fork %d has objects %v, %v", i, found, err)
			}
			if err := keys.Destroy(t.Context(), found[i%2]); err != nil {
				t.Fatal(err)
			}
		})
	}
	if found, err := own.Find(t.Context(), command.Template{command.AttrToken: true}); err != nil || len(found) != 2 {
		t.Errorf("after all the device has objects %v, %v", found, err)
	}
}

func TestPowerCycleKeepsKeysAndEndsLogins(t *testing.T) {
	dev := hsmtest.Start(t)
	keys := dev.Login(t, command.RoleCO)
	generate(t, keys)
	dev = dev.PowerCycle(t)
	if _, err := keys.Find(t.Context(), nil); err == nil {
		t.Error("a session outlived the power")
	}
	if found, err := dev.Login(t, command.RoleCO).Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
}

func TestAsDeliveredHasNoRoles(t *testing.T) {
	dev := hsmtest.Start(t, hsmtest.AsDelivered())
	admin, err := dev.Driver.OpenSession(t.Context(), command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Login(t.Context(), command.RoleSO, hsmtest.Password(command.RoleSO)); !errors.Is(err, command.StatusPINNotInitialized) {
		t.Errorf("login: %v", err)
	}
}

func TestNeedsNoCgo(t *testing.T) {
	build := exec.Command("go", "vet", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		hsmtest.Start(b).Login(b, command.RoleCO)
	}
}

func BenchmarkFork(b *testing.B) {
	dev := hsmtest.Start(b)
	for b.Loop() {
		dev.Fork(b)
	}
}

func TestPoliciesHoldFromTheInitialisationOn(t *testing.T) {
	const decommissionOnTamper = 40
	dev := hsmtest.Start(t, hsmtest.HSMPolicies(command.PolicySetting{ID: decommissionOnTamper, Value: 1}))
	policies, err := dev.Login(t, command.RoleSO).HSMPolicies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[uint8]uint16{decommissionOnTamper: 1, 21: 0} {
		i := slices.IndexFunc(policies, func(p command.PolicyInfo) bool { return p.ID == id })
		if i < 0 || policies[i].Value != want {
			t.Errorf("policy %d is not %d among %+v", id, want, policies)
		}
	}
}
