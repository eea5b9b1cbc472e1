package main

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"

	"filippo.io/mldsa"
	"github.com/miekg/pkcs11"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// mechanism is a way to sign, decrypt or decapsulate that has no case of its own
// elsewhere. Each function sets up what is needed and returns what does it once.
type mechanism struct {
	name, unit string
	ours       func(*hostdrv.Session) (func(int) error, error)
	bare       func() (func(int) error, error)
	theirs     func(*softHSM) (func(int) error, error) // nil: SoftHSM2 does not have it
}

// message is what the mechanisms sign or encrypt.
var message = make([]byte, 1<<10)

var mechanisms = []mechanism{
	{
		"sign/rsa-2048-pss", "signatures",
		signs(rsa2048, command.MechSHA256RSAPKCSPSS, message),
		bareSigns(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }, digest[:], &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}),
		func(p *softHSM) (func(int) error, error) {
			parameters := pkcs11.NewPSSParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, 32)
			return p.signs(rsa2048, pkcs11.NewMechanism(pkcs11.CKM_SHA256_RSA_PKCS_PSS, parameters), message)
		},
	},
	curve("p-384", elliptic.P384(), []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22}),
	curve("p-521", elliptic.P521(), []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23}),
	{
		"sign/ed25519", "signatures",
		signs(pair{command.MechEdwardsKeyPairGen, command.Template{command.AttrECParams: []byte{0x06, 0x03, 0x2B, 0x65, 0x70}}}, command.MechEdDSA, message),
		bareSigns(func() (crypto.Signer, error) { _, key, err := ed25519.GenerateKey(rand.Reader); return key, err }, message, crypto.Hash(0)),
		nil,
	},
	{
		"sign/ml-dsa-65", "signatures",
		signs(pair{command.MechMLDSAKeyPairGen, command.Template{command.AttrParameterSet: command.MLDSA65}}, command.MechMLDSA, message),
		bareSigns(func() (crypto.Signer, error) { return mldsa.GenerateKey(mldsa.MLDSA65()) }, message, crypto.Hash(0)),
		nil,
	},
	{
		"sign/hmac-sha256/1k", "codes",
		func(s *hostdrv.Session) (func(int) error, error) {
			ctx := context.Background()
			key, err := s.GenerateKey(ctx, command.Mechanism{Type: command.MechGenericSecretGen}, command.Template{command.AttrValueLen: uint64(32)})
			return func(int) error {
				_, err := s.Sign(ctx, command.Mechanism{Type: command.MechSHA256HMAC}, key, message)
				return err
			}, err
		},
		func() (func(int) error, error) {
			return func(int) error {
				h := hmac.New(sha256.New, digest[:])
				h.Write(message)
				h.Sum(nil)
				return nil
			}, nil
		},
		nil,
	},
	{
		"decrypt/rsa-2048-oaep", "decryptions", decryptsOAEP,
		func() (func(int) error, error) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return nil, err
			}
			sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, digest[:], nil)
			return func(int) error {
				_, err := rsa.DecryptOAEP(sha256.New(), nil, key, sealed, nil)
				return err
			}, err
		},
		nil,
	},
	{
		"decrypt/aes-gcm/1k", "decryptions", decryptsGCM,
		func() (func(int) error, error) {
			block, err := aes.NewCipher(digest[:])
			if err != nil {
				return nil, err
			}
			aead, err := cipher.NewGCM(block)
			if err != nil {
				return nil, err
			}
			nonce := make([]byte, aead.NonceSize())
			sealed := aead.Seal(nil, nonce, message, nil)
			return func(int) error { _, err := aead.Open(nil, nonce, sealed, nil); return err }, nil
		},
		nil,
	},
	{
		"decapsulate/ml-kem-768", "keys made and destroyed", decapsulates,
		func() (func(int) error, error) {
			key, err := mlkem.GenerateKey768()
			if err != nil {
				return nil, err
			}
			_, sealed := key.EncapsulationKey().Encapsulate()
			return func(int) error { _, err := key.Decapsulate(sealed); return err }, nil
		},
		nil,
	},
}

// mechanismCases compare the mechanisms with bare Go crypto and, where it has
// them, with SoftHSM2: over USB/IP and within the process.
func mechanismCases(plan) ([]benchCase, func(), error) {
	return besideSoftHSM(func(b *bench, peer *softHSM) (cases []benchCase, err error) {
		for _, m := range mechanisms {
			more, err := m.cases(b, peer)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			cases = append(cases, more...)
		}
		return cases, nil
	})
}

func (m mechanism) cases(b *bench, peer *softHSM) ([]benchCase, error) {
	ours, err := m.ours(b.tcp.session)
	if err != nil {
		return nil, err
	}
	inProcess, err := m.ours(b.inProcess.session)
	if err != nil {
		return nil, err
	}
	bare, err := m.bare()
	if err != nil {
		return nil, err
	}
	many := func(do func(int) error) load { return load{callers: manyCallers, do: do} }
	name := fmt.Sprintf("%s/callers=%d", m.name, manyCallers)
	cases := []benchCase{
		comparison{m.name + "/callers=1/go", m.unit, "bare Go crypto", 0, load{do: ours}, load{do: bare}},
		comparison{name + "/go", m.unit, "bare Go crypto", 0, many(ours), many(bare)},
		comparison{name + "/local/go", m.unit, "bare Go crypto, ours without leaving the process", 0, many(inProcess), many(bare)},
	}
	if m.theirs == nil {
		return cases, nil
	}
	theirs, err := m.theirs(peer)
	return append(cases, comparison{name + "/softhsm2", m.unit, "SoftHSM2 through PKCS#11", 0, many(ours), many(theirs)}), err
}

// pair is how a key pair is made.
type pair struct {
	generate command.MechanismType
	public   command.Template
}

var rsa2048 = pair{command.MechRSAKeyPairGen, command.Template{command.AttrModulusBits: uint64(2048)}}

// curve is ECDSA on a hash with a curve.
func curve(name string, c elliptic.Curve, params []byte) mechanism {
	p := pair{command.MechECKeyPairGen, command.Template{command.AttrECParams: params}}
	return mechanism{
		"sign/" + name, "signatures", signs(p, command.MechECDSA, digest[:]),
		bareSigns(func() (crypto.Signer, error) { return ecdsa.GenerateKey(c, rand.Reader) }, digest[:], crypto.SHA256),
		func(s *softHSM) (func(int) error, error) {
			return s.signs(p, pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil), digest[:])
		},
	}
}

func signs(p pair, m command.MechanismType, data []byte) func(*hostdrv.Session) (func(int) error, error) {
	return func(s *hostdrv.Session) (func(int) error, error) {
		ctx := context.Background()
		keys, err := s.GenerateKeyPair(ctx, command.Mechanism{Type: p.generate}, p.public, command.Template{})
		return func(int) error {
			_, err := s.Sign(ctx, command.Mechanism{Type: m}, keys.Private, data)
			return err
		}, err
	}
}

func bareSigns(generate func() (crypto.Signer, error), data []byte, opts crypto.SignerOpts) func() (func(int) error, error) {
	return func() (func(int) error, error) {
		key, err := generate()
		return func(int) error { _, err := key.Sign(rand.Reader, data, opts); return err }, err
	}
}

func decryptsOAEP(s *hostdrv.Session) (func(int) error, error) {
	ctx, m := context.Background(), command.Mechanism{Type: command.MechRSAPKCSOAEP, Hash: command.MechSHA256}
	keys, err := s.GenerateKeyPair(ctx, command.Mechanism{Type: rsa2048.generate}, rsa2048.public, command.Template{})
	if err != nil {
		return nil, err
	}
	sealed, err := s.Encrypt(ctx, m, keys.Public, digest[:])
	return func(int) error { _, err := s.Decrypt(ctx, m, keys.Private, sealed.Data); return err }, err
}

func decryptsGCM(s *hostdrv.Session) (func(int) error, error) {
	ctx, m := context.Background(), command.Mechanism{Type: command.MechAESGCM}
	key, err := s.GenerateKey(ctx, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{command.AttrValueLen: uint64(32)})
	if err != nil {
		return nil, err
	}
	sealed, err := s.Encrypt(ctx, m, key, message)
	m.IV = sealed.IV
	return func(int) error { _, err := s.Decrypt(ctx, m, key, sealed.Data); return err }, err
}

// decapsulates makes a session key each time, and destroys it.
func decapsulates(s *hostdrv.Session) (func(int) error, error) {
	ctx, m := context.Background(), command.Mechanism{Type: command.MechMLKEM}
	keys, err := s.GenerateKeyPair(ctx, command.Mechanism{Type: command.MechMLKEMKeyPairGen},
		command.Template{command.AttrParameterSet: command.MLKEM768}, command.Template{})
	if err != nil {
		return nil, err
	}
	sealed, err := s.EncapsulateKey(ctx, m, keys.Public, command.Template{})
	return func(int) error {
		key, err := s.DecapsulateKey(ctx, m, keys.Private, sealed.Ciphertext, command.Template{})
		if err != nil {
			return err
		}
		return s.Destroy(ctx, key)
	}, err
}
