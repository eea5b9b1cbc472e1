package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/miekg/pkcs11"
)

// softHSMLibraries are the places where distributions put the library.
var softHSMLibraries = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"}

// softHSM is the peer: a fresh SoftHSM2 token in a directory of its own, with
// one session for each caller.
type softHSM struct {
	module   *pkcs11.Ctx
	sessions []pkcs11.SessionHandle
	dir      string
}

func openSoftHSM() (*softHSM, error) {
	library := ""
	for _, path := range softHSMLibraries {
		if _, err := os.Stat(path); err == nil {
			library = path
			break
		}
	}
	if library == "" {
		return nil, errors.New("libsofthsm2.so is missing: install the package softhsm2 (make bench does)")
	}
	dir, err := os.MkdirTemp("", "softhsm")
	if err != nil {
		return nil, err
	}
	s := &softHSM{dir: dir}
	if err := s.start(library); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func (s *softHSM) start(library string) error {
	config := filepath.Join(s.dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", s.dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.Setenv("SOFTHSM2_CONF", config); err != nil {
		return err
	}
	if s.module = pkcs11.New(library); s.module == nil {
		return fmt.Errorf("cannot load %s", library)
	}
	if err := s.module.Initialize(); err != nil {
		return err
	}
	return s.initialise()
}

// initialise makes a token with user PIN 1234 and logs in.
func (s *softHSM) initialise() error {
	slots, err := s.module.GetSlotList(true)
	if err != nil {
		return err
	}
	if err := s.module.InitToken(slots[0], "1234", "bench"); err != nil {
		return err
	}
	if slots, err = s.module.GetSlotList(true); err != nil {
		return err
	}
	for range manyCallers {
		session, err := s.module.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return err
		}
		s.sessions = append(s.sessions, session)
	}
	steps := []func() error{
		func() error { return s.module.Login(s.sessions[0], pkcs11.CKU_SO, "1234") },
		func() error { return s.module.InitPIN(s.sessions[0], "1234") },
		func() error { return s.module.Logout(s.sessions[0]) },
		func() error { return s.module.Login(s.sessions[0], pkcs11.CKU_USER, "1234") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// signer makes a session key pair and returns what signs with it.
func (s *softHSM) signer(algorithm string) (func(int) error, error) {
	for _, a := range keyAlgorithms {
		if a.name == algorithm {
			return s.signs(pair{a.generate.Type, a.template}, pkcs11.NewMechanism(uint(a.mechanism.Type), nil), a.data)
		}
	}
	return nil, fmt.Errorf("no algorithm %s", algorithm)
}

// signs makes a session key pair and returns what signs data with it.
func (s *softHSM) signs(p pair, m *pkcs11.Mechanism, data []byte) (func(int) error, error) {
	public := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true)}
	for typ, value := range p.public {
		if n, number := value.(uint64); number {
			value = int(n)
		}
		public = append(public, pkcs11.NewAttribute(uint(typ), value))
	}
	_, private, err := s.module.GenerateKeyPair(s.sessions[0], []*pkcs11.Mechanism{pkcs11.NewMechanism(uint(p.generate), nil)},
		public, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)})
	if err != nil {
		return nil, err
	}
	return func(caller int) error {
		if err := s.module.SignInit(s.sessions[caller], []*pkcs11.Mechanism{m}, private); err != nil {
			return err
		}
		_, err := s.module.Sign(s.sessions[caller], data)
		return err
	}, nil
}

func (s *softHSM) close() {
	_ = s.module.Finalize()
	s.module.Destroy()
	_ = os.RemoveAll(s.dir)
}

// besideSoftHSM returns cases that compare a device with SoftHSM2, and what closes
// both.
func besideSoftHSM(list func(*bench, *softHSM) ([]benchCase, error)) (cases []benchCase, end func(), err error) {
	b, err := newBench()
	if err != nil {
		return nil, nil, err
	}
	peer, err := openSoftHSM()
	if err != nil {
		b.close()
		return nil, nil, fmt.Errorf("SoftHSM2: %w", err)
	}
	end = func() {
		peer.close()
		b.close()
	}
	if cases, err = list(b, peer); err != nil {
		end()
		return nil, nil, err
	}
	return cases, end, nil
}
