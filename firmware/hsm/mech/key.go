package mech

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"usbhsm7/firmware/command"
)

// Key is a parsed key, ready for use by several callers at once. A public key
// verifies, a private key signs, a secret key does whatever its type can.
type Key struct {
	Type uint64 // CKK_, as command.KeyRSA
	Bits uint   // size of modulus, group order or secret

	rsaPrivate *rsa.PrivateKey
	rsaPublic  *rsa.PublicKey
	ecPrivate  *ecdsa.PrivateKey
	ecPublic   *ecdsa.PublicKey
	secret     []byte
	block      cipher.Block // AES
	gcm        cipher.AEAD  // AES with the usual 12-byte nonce
}

var errBadKey = errors.New("stored key cannot be parsed")

// ParsePrivate parses the stored form of a private key: PKCS#1 (RFC 8017,
// appendix A.1.2) for RSA; for EC the curve given by its DER object identifier
// and the scalar in big-endian order, as long as the group order.
func ParsePrivate(keyType uint64, ecParams, stored []byte) (*Key, error) {
	switch keyType {
	case command.KeyRSA:
		private, err := x509.ParsePKCS1PrivateKey(stored)
		if err != nil {
			return nil, errBadKey
		}
		return rsaPrivateKey(private), nil
	case command.KeyEC:
		curve, err := CurveOf(ecParams)
		if err != nil {
			return nil, err
		}
		private, err := ecdsa.ParseRawPrivateKey(curve.params, stored)
		if err != nil {
			return nil, errBadKey
		}
		return ecPrivateKey(private), nil
	}
	return nil, fmt.Errorf("%w: type %#x", errBadKey, keyType)
}

func rsaPrivateKey(k *rsa.PrivateKey) *Key {
	return &Key{Type: command.KeyRSA, Bits: uint(k.N.BitLen()), rsaPrivate: k}
}

func ecPrivateKey(k *ecdsa.PrivateKey) *Key {
	return &Key{Type: command.KeyEC, Bits: uint(k.Curve.Params().BitSize), ecPrivate: k}
}

// ParseRSAPublic returns the public key of a modulus and an exponent, both
// big-endian.
func ParseRSAPublic(modulus, exponent []byte) (*Key, error) {
	e := new(big.Int).SetBytes(exponent)
	if !e.IsInt64() || e.Int64() != RSAExponent {
		return nil, errBadKey
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: RSAExponent}
	return &Key{Type: command.KeyRSA, Bits: uint(public.N.BitLen()), rsaPublic: public}, nil
}

// ParseECPublic returns the public key of a curve and a point, both in the DER
// forms of the attributes ec-params and ec-point.
func ParseECPublic(ecParams, ecPoint []byte) (*Key, error) {
	curve, err := CurveOf(ecParams)
	if err != nil {
		return nil, err
	}
	point, err := pointOf(ecPoint)
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve.params, point)
	if err != nil {
		return nil, errBadKey
	}
	return &Key{Type: command.KeyEC, Bits: curve.Bits, ecPublic: public}, nil
}

// ParseSecret returns an AES key or a generic secret.
func ParseSecret(keyType uint64, secret []byte) (*Key, error) {
	k := &Key{Type: keyType, Bits: uint(len(secret)) * 8, secret: secret}
	if keyType == command.KeyGenericSecret {
		return k, nil
	}
	if keyType != command.KeyAES {
		return nil, fmt.Errorf("%w: type %#x", errBadKey, keyType)
	}
	var err error
	if k.block, err = aes.NewCipher(secret); err != nil {
		return nil, errBadKey
	}
	if k.gcm, err = cipher.NewGCM(k.block); err != nil {
		return nil, errBadKey
	}
	return k, nil
}
