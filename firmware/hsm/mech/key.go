package mech

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"usbhsm7/firmware/command"
)

// Key is a parsed key, ready for use by several callers at once. A public key
// verifies and encrypts, a private key signs and decrypts, a secret key does
// whatever its type can.
type Key struct {
	Type uint64 // CKK_, as command.KeyRSA
	Bits uint   // size of modulus, group order or secret; number of the parameter set of ML-KEM and ML-DSA

	private any // *rsa.PrivateKey, *ecdsa.PrivateKey, ...; nil if it is another kind of key
	public  any
	secret  []byte
	block   cipher.Block // AES and 3DES
	gcm     cipher.AEAD  // AES with the usual 12-byte nonce
}

// Public is what the objects of a key pair tell about the public key.
type Public struct {
	Modulus, Exponent []byte // RSA, big-endian
	ECParams          []byte // EC, Edwards, Montgomery: DER object identifier of the curve
	ECPoint           []byte // the same: DER octet string of the encoded point
	ParameterSet      uint64 // ML-KEM and ML-DSA: CKP_
	Value             []byte // ML-KEM and ML-DSA: the encoded public key
}

var errBadKey = errors.New("stored key cannot be parsed")

// ParsePrivate parses the stored form of a private key, of which public tells
// curve or parameter set:
//
//	RSA            PKCS#1 (RFC 8017, appendix A.1.2)
//	EC             the scalar in big-endian order, as long as the group order
//	Ed25519        the seed of 32 bytes (RFC 8032)
//	X25519         the scalar of 32 bytes (RFC 7748)
//	ML-KEM         the seed d || z of 64 bytes (FIPS 203)
//	ML-DSA         the seed of 32 bytes (FIPS 204)
func ParsePrivate(keyType uint64, public Public, stored []byte) (*Key, error) {
	switch keyType {
	case command.KeyRSA:
		return parseRSAPrivate(stored)
	case command.KeyEC, command.KeyECEdwards, command.KeyECMontgomery:
		curve, err := CurveOf(keyType, public.ECParams)
		if err != nil {
			return nil, err
		}
		return curve.parsePrivate(stored)
	case command.KeyMLKEM, command.KeyMLDSA:
		return parseSeed(keyType, public.ParameterSet, stored)
	}
	return nil, fmt.Errorf("%w: type %#x", errBadKey, keyType)
}

// ParsePublic parses a public key.
func ParsePublic(keyType uint64, p Public) (*Key, error) {
	switch keyType {
	case command.KeyRSA:
		return parseRSAPublic(p.Modulus, p.Exponent)
	case command.KeyEC, command.KeyECEdwards, command.KeyECMontgomery:
		curve, err := CurveOf(keyType, p.ECParams)
		if err != nil {
			return nil, err
		}
		point, err := pointOf(p.ECPoint)
		if err != nil {
			return nil, err
		}
		return curve.parsePublic(point)
	case command.KeyMLKEM, command.KeyMLDSA:
		return parseEncapsulation(keyType, p.ParameterSet, p.Value)
	}
	return nil, fmt.Errorf("%w: type %#x", errBadKey, keyType)
}

// ParseSecret returns an AES or 3DES key, or a generic secret.
func ParseSecret(keyType uint64, secret []byte) (*Key, error) {
	k := &Key{Type: keyType, Bits: uint(len(secret)) * 8, secret: secret}
	var err error
	switch keyType {
	case command.KeyGenericSecret:
	case command.KeyDES3:
		k.block, err = des.NewTripleDESCipher(secret)
	case command.KeyAES:
		if k.block, err = aes.NewCipher(secret); err == nil {
			k.gcm, err = cipher.NewGCM(k.block)
		}
	default:
		err = errBadKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: type %#x of %d bytes", errBadKey, keyType, len(secret))
	}
	return k, nil
}

// privateAs returns the private key of the type that a mechanism works with.
func privateAs[T any](k *Key, m command.MechanismType) (T, error) {
	private, ok := k.private.(T)
	if !ok {
		return private, wrongKey(m)
	}
	return private, nil
}

func publicAs[T any](k *Key, m command.MechanismType) (T, error) {
	public, ok := k.public.(T)
	if !ok {
		return public, wrongKey(m)
	}
	return public, nil
}

// Bounds of RSA moduli that are parsed, in bits. Mechanisms are stricter.
const minRSA, maxRSA = 1024, 16384

func parseRSAPrivate(stored []byte) (*Key, error) {
	private, err := x509.ParsePKCS1PrivateKey(stored)
	if err != nil || !usualRSA(private) {
		return nil, errBadKey
	}
	return rsaPrivateKey(private), nil
}

// usualRSA reports whether a key has a usual size and two primes: PKCS#11 has
// no attributes for more.
func usualRSA(k *rsa.PrivateKey) bool {
	return len(k.Primes) == 2 && k.N.BitLen() >= minRSA && k.N.BitLen() <= maxRSA
}

func rsaPrivateKey(k *rsa.PrivateKey) *Key {
	return &Key{Type: command.KeyRSA, Bits: uint(k.N.BitLen()), private: k}
}

// parseRSAPublic takes odd exponents from 3 to 2^31-1, which is what Go works
// with.
func parseRSAPublic(modulus, exponent []byte) (*Key, error) {
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if e.BitLen() < 2 || e.BitLen() > 31 || e.Bit(0) == 0 || n.BitLen() < minRSA || n.BitLen() > maxRSA || n.Bit(0) == 0 {
		return nil, errBadKey
	}
	return &Key{Type: command.KeyRSA, Bits: uint(n.BitLen()), public: &rsa.PublicKey{N: n, E: int(e.Int64())}}, nil
}

func (c Curve) parsePrivate(stored []byte) (*Key, error) {
	private, err := c.privateKey(stored)
	if err != nil {
		return nil, errBadKey
	}
	return &Key{Type: c.Type, Bits: c.Bits, private: private}, nil
}

func (c Curve) privateKey(stored []byte) (any, error) {
	switch {
	case len(stored) != c.size():
		return nil, errBadKey
	case c.params != nil:
		return ecdsa.ParseRawPrivateKey(c.params, stored)
	case c.Type == command.KeyECEdwards:
		return ed25519.NewKeyFromSeed(stored), nil
	case c.Type == command.KeyECMontgomery:
		return ecdh.X25519().NewPrivateKey(stored)
	}
	return koblitzPrivate(stored)
}

func (c Curve) parsePublic(point []byte) (*Key, error) {
	public, err := c.publicKey(point)
	if err != nil {
		return nil, errBadKey
	}
	return &Key{Type: c.Type, Bits: c.Bits, public: public}, nil
}

func (c Curve) publicKey(point []byte) (any, error) {
	switch {
	case c.params != nil:
		return ecdsa.ParseUncompressedPublicKey(c.params, point)
	case c.Type == command.KeyECEdwards && len(point) == ed25519.PublicKeySize:
		return ed25519.PublicKey(point), nil
	case c.Type == command.KeyECMontgomery:
		return ecdh.X25519().NewPublicKey(point)
	case c.Type == command.KeyEC:
		return koblitzPublic(point)
	}
	return nil, errBadKey
}

// koblitzPrivate parses a private key of secp256k1 in constant time.
func koblitzPrivate(stored []byte) (*secp256k1.PrivateKey, error) {
	var d secp256k1.ModNScalar
	if overflow := d.SetByteSlice(stored); overflow || d.IsZero() {
		return nil, errBadKey
	}
	return secp256k1.NewPrivateKey(&d), nil
}

// koblitzPublic parses an uncompressed point of secp256k1.
func koblitzPublic(point []byte) (*secp256k1.PublicKey, error) {
	if len(point) != secp256k1.PubKeyBytesLenUncompressed || point[0] != secp256k1.PubKeyFormatUncompressed {
		return nil, errBadKey
	}
	return secp256k1.ParsePubKey(point)
}
