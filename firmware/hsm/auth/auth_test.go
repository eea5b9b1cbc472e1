package auth_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
)

func TestPasswordRules(t *testing.T) {
	for name, c := range map[string]struct {
		password string
		want     command.Status
	}{
		"shortest":         {"12345678", command.StatusOK},
		"longest":          {strings.Repeat("x", 255), command.StatusOK},
		"inner space":      {"pass word", command.StatusOK},
		"trailing space":   {"password ", command.StatusOK},
		"all punctuation":  {"!#$%'()*+,-./:=?@[]^_{}~", command.StatusOK},
		"empty":            {"", command.StatusPINLenRange},
		"seven":            {"1234567", command.StatusPINLenRange},
		"256":              {strings.Repeat("x", 256), command.StatusPINLenRange},
		"leading space":    {" password", command.StatusPINInvalid},
		"control":          {"pass\tword", command.StatusPINInvalid},
		"zero byte":        {"password\x00", command.StatusPINInvalid},
		"beyond ASCII":     {"pässword", command.StatusPINInvalid},
		"not a text":       {"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", command.StatusPINInvalid},
		"delete character": {"password\x7f", command.StatusPINInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			err := auth.CheckPassword([]byte(c.password))
			if c.want == command.StatusOK && err != nil || c.want != command.StatusOK && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	for _, c := range "\"&;<>\\`|" {
		if err := auth.CheckPassword([]byte("password" + string(c))); !errors.Is(err, command.StatusPINInvalid) {
			t.Errorf("%q: %v", c, err)
		}
	}
}

func TestRefusedPasswordIsNotQuoted(t *testing.T) {
	err := auth.CheckPassword([]byte("Canary|12345"))
	if strings.Contains(err.Error(), "Canary") {
		t.Errorf("%v", err)
	}
}

func TestOnlyThePasswordOpens(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	c, err := auth.Seal([]byte("password1"), secret, "role/so", auth.Standard, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Open([]byte("password1"), "role/so"); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("%q, %v", got, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"other password": func() ([]byte, error) { return c.Open([]byte("password2"), "role/so") },
		"empty password": func() ([]byte, error) { return c.Open(nil, "role/so") },
		"other purpose":  func() ([]byte, error) { return c.Open([]byte("password1"), "role/po") },
		"other salt": func() ([]byte, error) {
			d := *c
			d.Salt = make([]byte, len(c.Salt))
			return d.Open([]byte("password1"), "role/so")
		},
		"cut short": func() ([]byte, error) {
			d := *c
			d.Sealed = c.Sealed[:4]
			return d.Open([]byte("password1"), "role/so")
		},
	} {
		if got, err := open(); !errors.Is(err, auth.ErrWrongPassword) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	d := *c
	d.Cost = 200
	if _, err := d.Open([]byte("password1"), "role/so"); !errors.Is(err, auth.ErrUnknownCost) {
		t.Errorf("unknown cost: %v", err)
	}
}

func TestEachCredentialHasItsOwnSalt(t *testing.T) {
	a, errA := auth.Seal([]byte("password1"), []byte("secret"), "x", auth.Standard, rand.Reader)
	b, errB := auth.Seal([]byte("password1"), []byte("secret"), "x", auth.Standard, rand.Reader)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.Sealed, b.Sealed) {
		t.Error("two credentials are alike")
	}
}

func TestFailingEntropyMakesNoCredential(t *testing.T) {
	broken := errors.New("no noise")
	c, err := auth.Seal([]byte("password1"), []byte("secret"), "x", auth.Standard, iotest.ErrReader(broken))
	if c != nil || !errors.Is(err, broken) {
		t.Errorf("%v, %v", c, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	c, err := auth.Seal([]byte("password1"), []byte("secret"), "x", auth.Standard, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Open([]byte("password1"), "x"); err != nil {
			b.Fatal(err)
		}
	}
}
