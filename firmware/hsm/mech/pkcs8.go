package mech

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rsa"
	encoding "encoding/asn1"

	"filippo.io/mldsa"
	"filippo.io/mldsa/x509"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"usbhsm7/firmware/command"
)

// Algorithms that the package for PKCS#8 does not know: RFC 5480 and RFC 9935.
var (
	oidECPublicKey = encoding.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1   = encoding.ObjectIdentifier{1, 3, 132, 0, 10}
	oidMLKEM768    = encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2}
	oidMLKEM1024   = encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 3}
)

// PKCS8 returns a private key as PrivateKeyInfo (RFC 5208) in DER, which is
// what wrapping such a key wraps. ML-KEM and ML-DSA keys are there as seeds. An
// error carries StatusKeyTypeInconsistent if the key is not a private one.
func (k *Key) PKCS8() ([]byte, error) {
	switch private := k.private.(type) {
	case nil:
		return nil, command.StatusKeyTypeInconsistent.With("only private keys have the form of PKCS#8", "")
	case *secp256k1.PrivateKey:
		return marshalKoblitz(private)
	case *mlkem.DecapsulationKey768:
		return marshalSeed(oidMLKEM768, private.Bytes())
	case *mlkem.DecapsulationKey1024:
		return marshalSeed(oidMLKEM1024, private.Bytes())
	default:
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return nil, failed(err, "the key could not be encoded")
		}
		return der, nil
	}
}

// ParsePKCS8 is the inverse of PKCS8; the type of the key is that of the pair's
// Key. Everything after the key, such as zeros of a padding, must be gone. The
// error has no status: it depends on where the bytes come from.
func ParsePKCS8(der []byte) (*Pair, error) {
	if keyType, public, stored, ok := parseOwnPKCS8(der); ok {
		return PairOf(keyType, public, stored)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errBadKey
	}
	switch private := private.(type) {
	case *rsa.PrivateKey:
		if !usualRSA(private) {
			return nil, errBadKey
		}
		return rsaPair(private), nil
	case *ecdsa.PrivateKey:
		curve, ok := curveWith(private.Curve)
		scalar, err := private.Bytes()
		if err != nil || !ok {
			return nil, errBadKey
		}
		return PairOf(command.KeyEC, Public{ECParams: curve.OID}, scalar)
	case ed25519.PrivateKey:
		return PairOf(command.KeyECEdwards, Public{ECParams: derEd25519}, private.Seed())
	case *ecdh.PrivateKey:
		return PairOf(command.KeyECMontgomery, Public{ECParams: derX25519}, private.Bytes())
	case *mldsa.PrivateKey:
		return PairOf(command.KeyMLDSA, Public{ParameterSet: mldsaSet(private)}, private.Bytes())
	}
	return nil, errBadKey
}

func mldsaSet(private *mldsa.PrivateKey) uint64 {
	switch private.PublicKey().Parameters() {
	case mldsa.MLDSA44():
		return command.MLDSA44
	case mldsa.MLDSA65():
		return command.MLDSA65
	}
	return command.MLDSA87
}

// marshalKoblitz puts ECPrivateKey (RFC 5915) into PrivateKeyInfo.
func marshalKoblitz(private *secp256k1.PrivateKey) ([]byte, error) {
	return privateKeyInfo([]encoding.ObjectIdentifier{oidECPublicKey, oidSecp256k1}, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1OctetString(private.Serialize())
			b.AddASN1(asn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1BitString(private.PubKey().SerializeUncompressed())
			})
		})
	})
}

// marshalSeed puts the seed of an ML-KEM key into PrivateKeyInfo (RFC 9935,
// section 6).
func marshalSeed(oid encoding.ObjectIdentifier, seed []byte) ([]byte, error) {
	return privateKeyInfo([]encoding.ObjectIdentifier{oid}, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(seed) })
	})
}

func privateKeyInfo(algorithm []encoding.ObjectIdentifier, key cryptobyte.BuilderContinuation) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, oid := range algorithm {
				b.AddASN1ObjectIdentifier(oid)
			}
		})
		b.AddASN1(asn1.OCTET_STRING, key)
	})
	return b.Bytes()
}

// parseOwnPKCS8 parses what marshalKoblitz and marshalSeed write.
func parseOwnPKCS8(der []byte) (keyType uint64, public Public, stored []byte, ok bool) {
	var info, algorithm, key cryptobyte.String
	var version int
	var oid, curve encoding.ObjectIdentifier
	input := cryptobyte.String(der)
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !input.Empty() || !info.ReadASN1Integer(&version) ||
		!info.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!info.ReadASN1(&key, asn1.OCTET_STRING) {
		return 0, public, nil, false
	}
	switch {
	case oid.Equal(oidMLKEM768):
		stored, ok = parseSeedOf(key)
		return command.KeyMLKEM, Public{ParameterSet: command.MLKEM768}, stored, ok
	case oid.Equal(oidMLKEM1024):
		stored, ok = parseSeedOf(key)
		return command.KeyMLKEM, Public{ParameterSet: command.MLKEM1024}, stored, ok
	case oid.Equal(oidECPublicKey) && algorithm.ReadASN1ObjectIdentifier(&curve) && curve.Equal(oidSecp256k1):
		stored, ok = parseScalarOf(key)
		return command.KeyEC, Public{ECParams: derSecp256k1}, stored, ok
	}
	return 0, public, nil, false
}

func parseSeedOf(key cryptobyte.String) (seed cryptobyte.String, ok bool) {
	ok = key.ReadASN1(&seed, asn1.Tag(0).ContextSpecific()) && key.Empty()
	return seed, ok
}

func parseScalarOf(key cryptobyte.String) (scalar cryptobyte.String, ok bool) {
	var sequence cryptobyte.String
	var version int
	ok = key.ReadASN1(&sequence, asn1.SEQUENCE) && key.Empty() && sequence.ReadASN1Integer(&version) && version == 1 &&
		sequence.ReadASN1(&scalar, asn1.OCTET_STRING)
	return scalar, ok
}
