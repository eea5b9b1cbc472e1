package hsm_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/store"
)

// recorder remembers the entropy that became keys and salts: reads of 16 bytes
// and more. Nonces, which may be seen, have 12.
type recorder struct {
	mu   sync.Mutex
	keys [][]byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := rand.Read(p)
	if n >= 16 {
		r.mu.Lock()
		r.keys = append(r.keys, bytes.Clone(p))
		r.mu.Unlock()
	}
	return n, err
}

// onFlash returns the recorded keys that a chip holds in clear.
func (r *recorder) onFlash(image []byte) [][]byte {
	var found [][]byte
	for _, key := range r.keys {
		if bytes.Contains(image, key) {
			found = append(found, key)
		}
	}
	return found
}

func TestSecretsStayOffTheFlash(t *testing.T) {
	r := &recorder{}
	u := secretive(t, r)
	shown := image(t, u.flash)
	for _, canary := range []string{soPassword, poPassword, coPassword, firstPassword, "wrong-canary", "hsm-label", "partition-canary", "domain-canary", "label-canary", "id-canary"} {
		if holds(shown, canary) {
			t.Errorf("%q is on the flash", canary)
		}
	}
	pair := u.ec("public", p256)
	if point := u.attributes(pair.Public).Bytes(command.AttrECPoint); bytes.Contains(image(t, u.flash), point) {
		t.Error("a public point is on the flash in clear")
	}
	records, err := store.Open(u.flash)
	if err != nil {
		t.Fatal(err)
	}
	if found := r.onFlash(image(t, u.flash)); len(found) != 1 || !bytes.Equal(found[0], records.RootKey()) {
		t.Errorf("%d keys are on the flash, want the root key alone", len(found))
	}
}

func TestDestroyingCommandsLeaveNoOldRootKey(t *testing.T) {
	for name, destroy := range map[string]func(*unit){
		"zeroize":       func(u *unit) { u.ok(command.CodeHSMZeroize, u.admin, nil, nil) },
		"factory reset": func(u *unit) { u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil) },
		"soft init":     func(u *unit) { u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x"}, nil) },
		"deletion":      func(u *unit) { u.ok(command.CodePartitionDelete, u.admin, nil, nil) },
		"SO lock-out": func(u *unit) {
			u.ok(command.CodeLogout, u.admin, nil, nil)
			u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "wrong-canary")
			u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "wrong-canary")
			u.login(command.StatusSOLoginFailureThreshold, u.admin, command.RoleSO, "wrong-canary")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			u := secretive(t, r)
			old := r.onFlash(image(t, u.flash))
			destroy(u)
			if len(old) != 1 || bytes.Contains(image(t, u.flash), old[0]) {
				t.Errorf("of %d root keys before, the old one is still there", len(old))
			}
		})
	}
}

// secretive is an HSM that holds a canary in every place, with SO and CO
// logged in.
func secretive(t *testing.T, r io.Reader) *unit {
	t.Helper()
	u := powerOnWith(t, newChip(t, 128), r).initialise().createPartition()
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{
		Label: "partition-canary", Password: []byte(poPassword), Domain: []byte("domain-canary"),
	}, nil)
	u.logIn(command.RolePO)
	u.appoint(command.RoleCO, coPassword)
	u.login(command.StatusPINIncorrect, u.user, command.RoleCO, "wrong-canary")
	u.logIn(command.RoleCO)
	u.aes("label-canary")
	u.secret(command.MechGenericSecretGen, token("label-canary", command.AttrValueLen, uint64(64)))
	u.pair(command.MechECKeyPairGen, token("label-canary", command.AttrECParams, p256, command.AttrID, []byte("id-canary")), token("label-canary"))
	return u
}

func TestRefusalsQuoteNoSecret(t *testing.T) {
	u := ready(t)
	for _, request := range []struct {
		code    command.Code
		session uint32
		in      any
	}{
		{command.CodeLogin, u.admin, &command.LoginRequest{Role: command.RoleSO, Password: []byte("canary-canary")}},
		{command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x", Password: []byte("canary|canary")}},
		{command.CodeChangePassword, u.user, &command.ChangePasswordRequest{Old: []byte("canary-canary"), New: []byte("canary|canary")}},
		{command.CodeChangePassword, u.user, &command.ChangePasswordRequest{Old: []byte("canary-canary"), New: []byte("canary-canary")}},
	} {
		payload, err := command.Marshal(request.in)
		if err != nil {
			t.Fatal(err)
		}
		_, answer := u.host.Execute(t.Context(), request.code, request.session, payload)
		if len(answer) == 0 || holds(answer, "canary") {
			t.Errorf("%s answers %q", request.code, answer)
		}
		if !holds(payload, "canary") {
			t.Errorf("%s changed its payload", request.code)
		}
	}
}

func TestFailingEntropyIsNamed(t *testing.T) {
	chip := stage(t).ready.Clone()
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hsm.Open(hsm.Config{Store: records, Entropy: iotest.ErrReader(errors.New("no noise"))})
	if err != nil {
		t.Fatal(err)
	}
	u := &unit{t: t, flash: chip, hsm: h, host: h.Connect()}
	u.admin = u.open(command.SlotAdmin, false)
	u.do(command.StatusRNGError, command.CodeRandom, u.admin, &command.RandomRequest{Length: 1}, nil)
	u.do(command.StatusRNGError, command.CodeLogin, u.admin, &command.LoginRequest{Role: command.RoleSO, Password: []byte(soPassword)}, nil)
	if _, err := hsm.Open(hsm.Config{Store: blank(t), Entropy: iotest.ErrReader(errors.New("no noise"))}); !errors.Is(err, command.StatusRNGError) {
		t.Errorf("a new HSM without entropy: %v", err)
	}
}

func blank(t *testing.T) *store.Store {
	t.Helper()
	records, err := store.Open(newChip(t, 64))
	if err != nil {
		t.Fatal(err)
	}
	return records
}
