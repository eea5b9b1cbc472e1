package mech

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rsa"
	"fmt"
	"math/bits"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"usbhsm7/firmware/command"
)

// Pair is a new key pair with what its two objects store.
type Pair struct {
	Key     *Key   // the private key
	Private []byte // stored form, see ParsePrivate; secret
	Public
}

// GenerateEC makes a key pair of a type on the curve that ecParams names.
func GenerateEC(keyType uint64, ecParams []byte, entropy Entropy) (*Pair, error) {
	curve, err := CurveOf(keyType, ecParams)
	if err != nil {
		return nil, err
	}
	if curve.params != nil && !entropy.Seeded {
		return curve.generate(entropy)
	}
	scalar, err := curve.candidate(entropy)
	if err != nil {
		return nil, err
	}
	return PairOf(keyType, Public{ECParams: curve.OID}, scalar)
}

// PairOf returns the pair of a private key in its stored form, of which public
// tells the curve or the parameter set; the rest of the pair's Public follows
// from the key.
func PairOf(keyType uint64, public Public, stored []byte) (*Pair, error) {
	key, err := ParsePrivate(keyType, public, stored)
	if err != nil {
		return nil, err
	}
	return key.pair(public, stored)
}

// pair is PairOf for a key that was parsed.
func (k *Key) pair(public Public, stored []byte) (*Pair, error) {
	pair := &Pair{Key: k, Private: stored}
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		return rsaPair(private), nil
	case *mldsa.PrivateKey:
		pair.Public = Public{ParameterSet: public.ParameterSet, Value: private.PublicKey().Bytes()}
	case *mlkem.DecapsulationKey768:
		pair.Public = Public{ParameterSet: public.ParameterSet, Value: private.EncapsulationKey().Bytes()}
	case *mlkem.DecapsulationKey1024:
		pair.Public = Public{ParameterSet: public.ParameterSet, Value: private.EncapsulationKey().Bytes()}
	default:
		point, err := k.point()
		if err != nil {
			return nil, err
		}
		pair.Public = Public{ECParams: public.ECParams, ECPoint: derPoint(point)}
	}
	return pair, nil
}

// generate makes a key pair on a curve of crypto/elliptic. To parse it again would
// take as long as to make it.
func (c Curve) generate(entropy Entropy) (*Pair, error) {
	private, err := ecdsa.GenerateKey(c.params, entropy.Reader)
	if err != nil {
		return nil, rngFailed(err)
	}
	stored, err := private.Bytes()
	if err != nil {
		return nil, failed(err, "the key could not be encoded")
	}
	key := &Key{Type: c.Type, Bits: c.Bits, private: private}
	return key.pair(Public{ECParams: c.OID}, stored)
}

// candidate draws scalars until one is a private key: key pair generation by
// rejection sampling (FIPS 186-5, appendix A.2.2). For Ed25519 and X25519 all
// are.
func (c Curve) candidate(entropy Entropy) ([]byte, error) {
	for {
		scalar, err := Random(c.size(), entropy.Reader)
		if err != nil {
			return nil, err
		}
		if surplus := 8*c.size() - int(c.Bits); c.Type == command.KeyEC {
			scalar[0] >>= surplus
		}
		if _, err := c.privateKey(scalar); err == nil {
			return scalar, nil
		}
	}
}

// point returns the encoded public key of a private key on a curve.
func (k *Key) point() ([]byte, error) {
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		return private.PublicKey.Bytes()
	case ed25519.PrivateKey:
		return private.Public().(ed25519.PublicKey), nil
	case *ecdh.PrivateKey:
		return private.PublicKey().Bytes(), nil
	case *secp256k1.PrivateKey:
		return private.PubKey().SerializeUncompressed(), nil
	}
	return nil, errBadKey
}

// GenerateLattice makes a key pair of ML-KEM or ML-DSA for a parameter set.
func GenerateLattice(keyType, set uint64, entropy Entropy) (*Pair, error) {
	if _, ok := parameterSets[keyType][set]; !ok {
		return nil, command.StatusAttributeValueInvalid.With(
			fmt.Sprintf("the device does not have the parameter set %d", set), "ML-KEM: 2 or 3; ML-DSA: 1, 2 or 3")
	}
	size := mldsa.PrivateKeySize
	if keyType == command.KeyMLKEM {
		size = mlkem.SeedSize
	}
	seed, err := Random(size, entropy.Reader)
	if err != nil {
		return nil, err
	}
	return PairOf(keyType, Public{ParameterSet: set}, seed)
}

// GenerateSecret makes a secret of length bytes with a mechanism: an AES key of
// 16, 24 or 32, a 3DES key of 24, or a generic secret of 8 to 512. PKCS5_PBKD2
// makes any of them out of a password; the others take no parameters.
func GenerateSecret(m *command.Mechanism, keyType, length uint64, entropy Entropy) ([]byte, error) {
	if err := SecretLength(keyType, length); err != nil {
		return nil, err
	}
	var (
		secret []byte
		err    error
	)
	switch m.Type {
	case command.MechPKCS5PBKD2:
		secret, err = passwordKey(m, int(length))
	case command.MechAESKeyGen, command.MechDES3KeyGen, command.MechGenericSecretGen:
		if err = NoParameters(m); err == nil {
			secret, err = Random(int(length), entropy.Reader)
		}
	default:
		err = notFor(m.Type, "making a secret key")
	}
	if err != nil {
		return nil, err
	}
	return Fit(keyType, secret), nil
}

// Secret reports whether keys of a type are secret keys and not pairs.
func Secret(keyType uint64) bool {
	return keyType == command.KeyAES || keyType == command.KeyDES3 || keyType == command.KeyGenericSecret
}

// SecretLength refuses secrets of a type that have not length bytes, with
// StatusKeySizeRange.
func SecretLength(keyType, length uint64) error {
	good := length >= 8 && length <= MaxDerived
	switch keyType {
	case command.KeyAES:
		good = length == 16 || length == 24 || length == 32
	case command.KeyDES3:
		good = length == 24
	}
	if !good {
		return keySize(fmt.Sprintf("value-len %d is not supported", length),
			"AES keys have 16, 24 or 32 bytes, 3DES keys 24, generic secrets 8 to 512")
	}
	return nil
}

// Fit makes a key of a type out of as many random or derived bytes, in place:
// those of 3DES get odd parity (FIPS 46-3).
func Fit(keyType uint64, secret []byte) []byte {
	if keyType == command.KeyDES3 {
		for i, b := range secret {
			secret[i] = b&^1 | byte(bits.OnesCount8(b>>1)+1)&1
		}
	}
	return secret
}
