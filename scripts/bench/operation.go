package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/argon2"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// operation is something that the device, bare Go and SoftHSM2 can all do. Each
// function sets up what is needed and returns what does it once for a caller.
type operation struct {
	name, unit string
	aim        float64 // against SoftHSM2, with many callers
	ours       func(*hostdrv.Session) (func(int) error, error)
	bare       func() (func(int) error, error)
	theirs     func(*softHSM) (func(int) error, error)
}

var operations = []operation{
	gcm("1k", 1<<10, 0),
	gcm("64k", 64<<10, 1),
	{
		"keygen/p-256", "key pairs made and destroyed", 1,
		func(s *hostdrv.Session) (func(int) error, error) { return generate(s), nil },
		func() (func(int) error, error) {
			return func(int) error { _, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return err }, nil
		},
		(*softHSM).generate,
	},
	{
		"random/64", "answers", 0,
		func(s *hostdrv.Session) (func(int) error, error) {
			return func(int) error { _, err := s.Random(context.Background(), 64); return err }, nil
		},
		func() (func(int) error, error) {
			return func(int) error { _, err := rand.Read(make([]byte, 64)); return err }, nil
		},
		func(p *softHSM) (func(int) error, error) {
			return func(caller int) error { _, err := p.module.GenerateRandom(p.sessions[caller], 64); return err }, nil
		},
	},
}

// operationCases compare operations other than signatures.
func operationCases(plan) ([]benchCase, func(), error) {
	return besideSoftHSM(func(b *bench, peer *softHSM) ([]benchCase, error) {
		cases := []benchCase{b.login()}
		for _, o := range operations {
			more, err := o.cases(b, peer)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", o.name, err)
			}
			cases = append(cases, more...)
		}
		return cases, nil
	})
}

func (o operation) cases(b *bench, peer *softHSM) ([]benchCase, error) {
	ours, err := o.ours(b.tcp.session)
	if err != nil {
		return nil, err
	}
	inProcess, err := o.ours(b.inProcess.session)
	if err != nil {
		return nil, err
	}
	bare, err := o.bare()
	if err != nil {
		return nil, err
	}
	theirs, err := o.theirs(peer)
	if err != nil {
		return nil, err
	}
	many := func(do func(int) error) load { return load{callers: manyCallers, do: do} }
	name := fmt.Sprintf("%s/callers=%d", o.name, manyCallers)
	return []benchCase{
		comparison{o.name + "/callers=1/go", o.unit, "bare Go crypto", 0, load{do: ours}, load{do: bare}},
		comparison{name + "/go", o.unit, "bare Go crypto", 0, many(ours), many(bare)},
		comparison{name + "/softhsm2", o.unit, "SoftHSM2 through PKCS#11", o.aim, many(ours), many(theirs)},
		comparison{name + "/local/softhsm2", o.unit, "SoftHSM2, ours without leaving the process", 0, many(inProcess), many(theirs)},
	}, nil
}

// gcm is an encryption with AES-256-GCM.
func gcm(name string, size int, aim float64) operation {
	data := make([]byte, size)
	return operation{
		"aes-gcm/" + name, "encryptions", aim,
		func(s *hostdrv.Session) (func(int) error, error) {
			ctx := context.Background()
			key, err := s.GenerateKey(ctx, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{command.AttrValueLen: uint64(32)})
			return func(int) error {
				_, err := s.Encrypt(ctx, command.Mechanism{Type: command.MechAESGCM}, key, data)
				return err
			}, err
		},
		func() (func(int) error, error) {
			block, err := aes.NewCipher(make([]byte, 32))
			if err != nil {
				return nil, err
			}
			seal, err := cipher.NewGCMWithRandomNonce(block)
			return func(int) error { seal.Seal(nil, nil, data, nil); return nil }, err
		},
		func(p *softHSM) (func(int) error, error) { return p.encrypt(data) },
	}
}

// generate makes a pair of session keys and destroys it.
func generate(s *hostdrv.Session) func(int) error {
	ctx, m := context.Background(), command.Mechanism{Type: command.MechECKeyPairGen}
	return func(int) error {
		pair, err := s.GenerateKeyPair(ctx, m, keyAlgorithms[1].template, command.Template{})
		if err != nil {
			return err
		}
		if err := s.Destroy(ctx, pair.Public); err != nil {
			return err
		}
		return s.Destroy(ctx, pair.Private)
	}
}

// login compares a logout and a login with what hashing the password alone
// takes: 8 MiB and two passes of Argon2id.
func (b *bench) login() benchCase {
	ctx := context.Background()
	admin, failed := b.tcp.device.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	salt := make([]byte, 16)
	return comparison{
		"login/callers=1", "logins", "Argon2id alone", 0,
		load{do: func(int) error {
			if failed != nil {
				return failed
			}
			if err := admin.Logout(ctx); err != nil { // it is logged in from setting the device up
				return err
			}
			return admin.Login(ctx, command.RoleSO, soPassword)
		}},
		load{do: func(int) error { argon2.IDKey(soPassword, salt, 2, 8<<10, 1, 32); return nil }},
	}
}

// encrypt returns what encrypts data with AES-256-GCM.
func (s *softHSM) encrypt(data []byte) (func(int) error, error) {
	key, err := s.module.GenerateKey(s.sessions[0], []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)},
		[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true)})
	if err != nil {
		return nil, err
	}
	return func(caller int) error {
		iv := make([]byte, 12)
		if _, err := rand.Read(iv); err != nil {
			return err
		}
		parameters := pkcs11.NewGCMParams(iv, nil, 128)
		defer parameters.Free()
		if err := s.module.EncryptInit(s.sessions[caller], []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, parameters)}, key); err != nil {
			return err
		}
		_, err := s.module.Encrypt(s.sessions[caller], data)
		return err
	}, nil
}

// generate returns what makes a pair of session keys and destroys it.
func (s *softHSM) generate() (func(int) error, error) {
	mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)}
	public := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, keyAlgorithms[1].template[command.AttrECParams].([]byte))}
	return func(caller int) error {
		one, other, err := s.module.GenerateKeyPair(s.sessions[caller], mechanism, public, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)})
		if err != nil {
			return err
		}
		if err := s.module.DestroyObject(s.sessions[caller], one); err != nil {
			return err
		}
		return s.module.DestroyObject(s.sessions[caller], other)
	}, nil
}
