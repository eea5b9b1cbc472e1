package mech

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/binary"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"usbhsm7/firmware/command"
)

// deriveECDH is the Diffie-Hellman of SP 800-56A, section 5.7.1.2, or of RFC
// 7748. All curves of the device have the cofactor 1, or multiply by it, so both
// mechanisms do the same. Without a hash, the secret is cut at its beginning
// (PKCS#11 3.1, section 6.3.19); with one it goes through the KDF of X9.63.
func deriveECDH(base *Key, m *command.Mechanism, length int) ([]byte, error) {
	shared, err := agree(base, m)
	if err != nil {
		return nil, err
	}
	if m.Hash != 0 {
		defer clear(shared)
		return x963(shared, m, length)
	}
	if m.Info != nil {
		return nil, badParam("shared info needs a hash", "set hash, or leave info out")
	}
	if length > len(shared) {
		return nil, keySize("the shared secret is shorter", "set hash, or ask for less")
	}
	if length == 0 {
		length = len(shared)
	}
	return shared[len(shared)-length:], nil
}

// agree returns the shared secret: the x-coordinate, as long as the field.
func agree(base *Key, m *command.Mechanism) ([]byte, error) {
	point := m.PublicData
	if len(point) != base.pointSize() { // what begins like an octet string may be a point all the same
		if inner, err := pointOf(point); err == nil {
			point = inner
		}
	}
	var shared []byte
	err := error(wrongKey(m.Type))
	switch private := base.private.(type) {
	case *ecdsa.PrivateKey:
		shared, err = agreeNIST(private, point)
	case *secp256k1.PrivateKey:
		var public *secp256k1.PublicKey
		if public, err = koblitzPublic(point); err == nil {
			shared = secp256k1.GenerateSharedSecret(private, public)
		}
	case *ecdh.PrivateKey:
		var public *ecdh.PublicKey
		if public, err = ecdh.X25519().NewPublicKey(point); err == nil {
			shared, err = private.ECDH(public)
		}
	default:
		return nil, err
	}
	if err != nil {
		return nil, badParam("public-data is no public key of the curve", "")
	}
	return shared, nil
}

// pointSize returns the bytes of an encoded point of the key's curve.
func (k *Key) pointSize() int {
	if k.Type == command.KeyECMontgomery {
		return 32
	}
	return 1 + 2*(int(k.Bits+7)/8)
}

func agreeNIST(private *ecdsa.PrivateKey, point []byte) ([]byte, error) {
	public, err := ecdsa.ParseUncompressedPublicKey(private.Curve, point)
	if err != nil {
		return nil, err
	}
	if private.Curve == elliptic.P224() {
		return agreeP224(private, point)
	}
	own, err := private.ECDH()
	if err != nil {
		return nil, err
	}
	other, err := public.ECDH()
	if err != nil {
		return nil, err
	}
	return own.ECDH(other)
}

// agreeP224 does for P-224, which crypto/ecdh lacks, what it does for the other
// curves; the multiplication runs in constant time. The point is one of the
// curve.
func agreeP224(private *ecdsa.PrivateKey, point []byte) ([]byte, error) {
	scalar, err := private.Bytes()
	if err != nil {
		return nil, err
	}
	const size = 28
	x, y := new(big.Int).SetBytes(point[1:1+size]), new(big.Int).SetBytes(point[1+size:])
	x, _ = private.ScalarMult(x, y, scalar) // crypto/elliptic is the only door to this curve
	return x.FillBytes(make([]byte, size)), nil
}

// x963 is the KDF of SEC 1, section 3.6.1.
func x963(shared []byte, m *command.Mechanism, length int) ([]byte, error) {
	hash, err := hashParam(m, m.Hash)
	if err != nil {
		return nil, err
	}
	if err := lengthKnown(m, length); err != nil {
		return nil, err
	}
	var out []byte
	for i := uint32(1); len(out) < length; i++ {
		h := hash.New()
		h.Write(shared)
		h.Write(binary.BigEndian.AppendUint32(nil, i))
		h.Write(m.Info)
		out = h.Sum(out)
	}
	return out[:length], nil
}
