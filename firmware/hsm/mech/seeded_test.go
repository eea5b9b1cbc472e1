package mech

import (
	"bytes"
	"crypto/elliptic"
	"math/big"
	"math/rand/v2"
	"testing"

	"usbhsm7/firmware/command"
)

func seeded(n byte) Entropy { return Entropy{rand.NewChaCha8([32]byte{n}), true} }

// Everything random follows from the entropy of a device with a seed, and from
// nothing else.
func TestSeededKeysAndSignaturesFollowFromTheSeed(t *testing.T) {
	k := makeKeys(t)
	for name, make := range map[string]func(Entropy) ([]byte, error){
		"RSA key":    func(e Entropy) ([]byte, error) { return private(GenerateRSA(2048, e)) },
		"P-521 key":  func(e Entropy) ([]byte, error) { return private(GenerateEC(command.KeyEC, curveNamed("P-521").OID, e)) },
		"secp256k1":  func(e Entropy) ([]byte, error) { return private(GenerateEC(command.KeyEC, derSecp256k1, e)) },
		"X25519 key": func(e Entropy) ([]byte, error) { return private(GenerateEC(command.KeyECMontgomery, derX25519, e)) },
		"ML-KEM key": func(e Entropy) ([]byte, error) {
			return private(GenerateLattice(command.KeyMLKEM, command.MLKEM1024, e))
		},
		"PSS": func(e Entropy) ([]byte, error) {
			return Sign(k.rsaPrivate, mechanism(command.MechSHA256RSAPKCSPSS), nil, e)
		},
		"PKCS#1 v1.5": func(e Entropy) ([]byte, error) {
			out, _, err := Encrypt(k.rsaPublic, mechanism(command.MechRSAPKCS), nil, e)
			return out, err
		},
		"OAEP": func(e Entropy) ([]byte, error) {
			out, _, err := Encrypt(k.rsaPublic, &command.Mechanism{Type: command.MechRSAPKCSOAEP, Hash: command.MechSHA256}, nil, e)
			return out, err
		},
		"GCM": func(e Entropy) ([]byte, error) {
			out, _, err := Encrypt(k.aes, mechanism(command.MechAESGCM), nil, e)
			return out, err
		},
		"encapsulation": func(e Entropy) ([]byte, error) {
			out, _, err := Encapsulate(k.public[command.KeyMLKEM], mechanism(command.MechMLKEM), e)
			return out, err
		},
	} {
		first := must(make(seeded(1)))(t)
		if again := must(make(seeded(1)))(t); !bytes.Equal(first, again) {
			t.Errorf("%s differs with the same seed", name)
		}
		if other := must(make(seeded(2)))(t); bytes.Equal(first, other) {
			t.Errorf("%s is the same with another seed", name)
		}
	}
	for _, m := range []command.MechanismType{command.MechECDSASHA3256, command.MechMLDSA} {
		row, _ := command.LookupMechanism(m)
		key := k.private[row.Keys[0]]
		first := must(Sign(key, mechanism(m), []byte("x"), seeded(1)))(t)
		if again := must(Sign(key, mechanism(m), []byte("x"), seeded(2)))(t); !bytes.Equal(first, again) {
			t.Errorf("%s is not deterministic", m)
		}
	}
}

func private(p *Pair, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return p.Private, nil
}

// A hash of any length is the same number to ECDSA whatever nonce is made of it.
func TestSeededECDSATakesHashesOfAnyLength(t *testing.T) {
	for _, name := range []string{"P-224", "P-256", "P-384", "P-521", "secp256k1"} {
		pair := must(GenerateEC(command.KeyEC, curveNamed(name).OID, fresh))(t)
		public := must(ParsePublic(command.KeyEC, pair.Public))(t)
		for length := 1; length <= maxHash; length++ {
			hash := bytes.Repeat([]byte{0xA5}, length)
			sig := must(Sign(pair.Key, mechanism(command.MechECDSA), hash, seeded(1)))(t)
			if err := Verify(public, mechanism(command.MechECDSA), hash, sig); err != nil {
				t.Errorf("%s, %d bytes: %v", name, length, err)
			}
		}
	}
}

func TestSeededRSAKeysAreProper(t *testing.T) {
	for n := range byte(3) {
		pair := must(GenerateRSA(2048, seeded(n)))(t)
		modulus := new(big.Int).SetBytes(pair.Modulus)
		if modulus.BitLen() != 2048 || modulus.ProbablyPrime(1) || new(big.Int).SetBytes(pair.Exponent).Int64() != RSAExponent {
			t.Errorf("modulus of %d bits", modulus.BitLen())
		}
		if err := Verify(must(ParsePublic(command.KeyRSA, pair.Public))(t), mechanism(command.MechSHA256RSAPKCS), nil,
			must(Sign(pair.Key, mechanism(command.MechSHA256RSAPKCS), nil, seeded(9)))(t)); err != nil {
			t.Error(err)
		}
	}
	if p := must(prime(1024, seeded(1)))(t); p.BitLen() != 1024 || p.Bit(1022) != 1 || !p.ProbablyPrime(64) {
		t.Errorf("prime %v", p)
	}
	if c, ok := curveWith(elliptic.P384()); !ok || c.Name != "P-384" {
		t.Errorf("curve %v", c)
	}
}
