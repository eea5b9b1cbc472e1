package hostdrv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"math/big"

	"usbhsm7/firmware/command"
)

// scheme returns the mechanism of the device that signs a digest as opts want it,
// and the data that it takes.
func (k *Signer) scheme(digest []byte, opts crypto.SignerOpts) (command.Mechanism, []byte, error) {
	hash := opts.HashFunc()
	if m, ok := signsMessages(k.public); ok {
		if hash != 0 {
			return command.Mechanism{}, nil, command.StatusMechanismParamInvalid.With(fmt.Sprintf("%s signs the message itself, not a hash", m), "use the hash function 0")
		}
		return command.Mechanism{Type: m}, digest, nil
	}
	if h, ok := hashes[hash]; ok && len(digest) != int(h.size) {
		return command.Mechanism{}, nil, command.StatusDataLenRange.Withf("a digest of %d bytes, %s has %d", len(digest), hash, h.size)
	}
	key, ok := k.public.(*rsa.PublicKey)
	if !ok {
		return command.Mechanism{Type: command.MechECDSA}, digest, nil
	}
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		m, err := mechanismPSS(key, hash, pss.SaltLength)
		return m, digest, err
	}
	info, err := digestInfo(hash, digest)
	return command.Mechanism{Type: command.MechRSAPKCS}, info, err
}

// mechanismPSS translates the salt lengths of crypto/rsa into the device's.
func mechanismPSS(key *rsa.PublicKey, hash crypto.Hash, salt int) (command.Mechanism, error) {
	h, ok := hashes[hash]
	if !ok {
		return command.Mechanism{}, unsupportedHash(hash)
	}
	var length uint
	switch {
	case salt == rsa.PSSSaltLengthEqualsHash:
		length = uint(h.size)
	case salt == rsa.PSSSaltLengthAuto: // the longest that fits: RFC 8017, section 9.1.1, step 3
		length = uint((key.N.BitLen()-1+7)/8 - int(h.size) - 2)
	case salt > 0:
		length = uint(salt)
	default:
		return command.Mechanism{}, command.StatusMechanismParamInvalid.Withf("a salt of %d bytes", salt)
	}
	return command.Mechanism{Type: command.MechRSAPKCSPSS, Hash: h.mechanism, SaltLength: &length}, nil
}

// signatureECDSA is Ecdsa-Sig-Value (RFC 3279, section 2.2.3).
type signatureECDSA struct{ R, S *big.Int }

// derECDSA turns the device's r || s into DER.
func derECDSA(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("%w: an ECDSA signature of %d bytes", ErrProtocol, len(raw))
	}
	r, s := raw[:len(raw)/2], raw[len(raw)/2:]
	return asn1.Marshal(signatureECDSA{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
}

// rawECDSA turns a signature in DER into the r || s that the device takes.
func rawECDSA(key *ecdsa.PublicKey, der []byte) ([]byte, error) {
	var sig signatureECDSA
	size := (key.Curve.Params().N.BitLen() + 7) / 8
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) > 0 || sig.R.Sign() < 0 || sig.S.Sign() < 0 || sig.R.BitLen() > 8*size || sig.S.BitLen() > 8*size {
		return nil, command.StatusSignatureInvalid.With("the signature is not an ASN.1 ECDSA signature for this key", "")
	}
	raw := make([]byte, 2*size)
	sig.R.FillBytes(raw[:size])
	sig.S.FillBytes(raw[size:])
	return raw, nil
}

// digestInfo returns the DER DigestInfo that PKCS#1 v1.5 signs (RFC 8017,
// section 9.2, note 1), or digest itself for hash 0.
func digestInfo(hash crypto.Hash, digest []byte) ([]byte, error) {
	if hash == 0 {
		return digest, nil
	}
	h, ok := hashes[hash]
	if !ok {
		return nil, unsupportedHash(hash)
	}
	return append(h.prefix(), digest...), nil
}

// hashFunction is what the two RSA schemes need to know of a hash function.
type hashFunction struct {
	mechanism command.MechanismType
	size      byte // of the digest, bytes
	oid       byte // the last arc of its object identifier 2.16.840.1.101.3.4.2.x
}

var hashes = map[crypto.Hash]hashFunction{
	crypto.SHA224: {command.MechSHA224, 28, 4},
	crypto.SHA256: {command.MechSHA256, 32, 1},
	crypto.SHA384: {command.MechSHA384, 48, 2},
	crypto.SHA512: {command.MechSHA512, 64, 3},

	crypto.SHA3_224: {command.MechSHA3224, 28, 7},
	crypto.SHA3_256: {command.MechSHA3256, 32, 8},
	crypto.SHA3_384: {command.MechSHA3384, 48, 9},
	crypto.SHA3_512: {command.MechSHA3512, 64, 10},
}

// prefix returns the DigestInfo up to the digest: a sequence of the algorithm
// (its identifier and NULL) and an octet string.
func (h hashFunction) prefix() []byte {
	return []byte{
		0x30, 17 + h.size,
		0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, h.oid, 0x05, 0,
		0x04, h.size,
	}
}

func unsupportedHash(hash crypto.Hash) error {
	return command.StatusMechanismParamInvalid.With(
		fmt.Sprintf("the device has no hash function %s", hash), "use SHA-224, SHA-256, SHA-384 or SHA-512")
}
