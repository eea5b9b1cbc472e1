package hostdrv

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"

	"filippo.io/mldsa"

	"usbhsm7/firmware/command"
)

// Signer is a private key in the device as a crypto.Signer, so that crypto/x509
// and crypto/tls use it like any other key. It signs with RSA PKCS#1 v1.5 or,
// given *rsa.PSSOptions, RSA-PSS, with ECDSA (ASN.1 signatures), and with
// Ed25519 and ML-DSA, which sign the message itself. It may be used by several
// goroutines.
type Signer struct {
	session *Session
	private command.Handle
	public  crypto.PublicKey
}

var _ crypto.Signer = (*Signer)(nil)

// Signer returns a signer for the private key with the handle private. Its
// public key is read as PublicKey does; ctx bounds only that. A key that does
// not sign is command.StatusKeyTypeInconsistent.
func (s *Session) Signer(ctx context.Context, private command.Handle) (*Signer, error) {
	public, err := s.PublicKey(ctx, private)
	if _, agrees := public.(*ecdh.PublicKey); agrees {
		err = command.StatusKeyTypeInconsistent.With("keys on X25519 do not sign", "")
	}
	if err != nil {
		return nil, fmt.Errorf("signer for object %d: %w", private, err)
	}
	return &Signer{session: s, private: private, public: public}, nil
}

// Public returns the public key, of one of the types that Session.PublicKey
// names.
func (k *Signer) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer. The device's own generator is used in place
// of random. Use SignContext for a call that can be given up.
func (k *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(context.Background(), digest, opts)
}

// SignContext is Sign with a context. digest is the hash of the message made
// with opts.HashFunc(). With a hash function of 0, Ed25519 and ML-DSA take the
// message, PKCS#1 v1.5 takes unhashed data. An RSA signature with a hash that the device lacks is
// command.StatusMechanismParamInvalid, a digest of another length than its
// hash has is StatusDataLenRange.
func (k *Signer) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	hash := opts.HashFunc()
	if m, ok := signsMessages(k.public); ok {
		if hash != 0 {
			return nil, command.StatusMechanismParamInvalid.With(fmt.Sprintf("%s signs the message itself, not a hash", m), "use the hash function 0")
		}
		return k.session.Sign(ctx, command.Mechanism{Type: m}, k.private, digest)
	}
	if h, ok := hashes[hash]; ok && len(digest) != int(h.size) {
		return nil, command.StatusDataLenRange.With(
			fmt.Sprintf("a digest of %d bytes, %s has %d", len(digest), hash, h.size), "")
	}
	if _, ok := k.public.(*rsa.PublicKey); !ok {
		return k.signECDSA(ctx, digest)
	}
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		return k.signPSS(ctx, digest, hash, pss.SaltLength)
	}
	info, err := digestInfo(hash, digest)
	if err != nil {
		return nil, err
	}
	return k.session.Sign(ctx, command.Mechanism{Type: command.MechRSAPKCS}, k.private, info)
}

// signsMessages returns the mechanism of a key that signs messages and not
// their hashes.
func signsMessages(public crypto.PublicKey) (command.MechanismType, bool) {
	switch public.(type) {
	case ed25519.PublicKey:
		return command.MechEdDSA, true
	case *mldsa.PublicKey:
		return command.MechMLDSA, true
	}
	return 0, false
}

// signECDSA turns the device's r || s into ASN.1 (RFC 3279, section 2.2.3).
func (k *Signer) signECDSA(ctx context.Context, digest []byte) ([]byte, error) {
	raw, err := k.session.Sign(ctx, command.Mechanism{Type: command.MechECDSA}, k.private, digest)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("%w: an ECDSA signature of %d bytes", ErrProtocol, len(raw))
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:]),
	})
}

// signPSS translates the salt lengths of crypto/rsa into the device's.
func (k *Signer) signPSS(ctx context.Context, digest []byte, hash crypto.Hash, salt int) ([]byte, error) {
	h, ok := hashes[hash]
	if !ok {
		return nil, unsupportedHash(hash)
	}
	var length uint
	switch {
	case salt == rsa.PSSSaltLengthEqualsHash:
		length = uint(h.size)
	case salt == rsa.PSSSaltLengthAuto: // the longest that fits: RFC 8017, section 9.1.1, step 3
		bits := k.public.(*rsa.PublicKey).N.BitLen()
		length = uint((bits-1+7)/8 - int(h.size) - 2)
	case salt > 0:
		length = uint(salt)
	default:
		return nil, command.StatusMechanismParamInvalid.With(fmt.Sprintf("a salt of %d bytes", salt), "")
	}
	m := command.Mechanism{Type: command.MechRSAPKCSPSS, Hash: h.mechanism, SaltLength: &length}
	return k.session.Sign(ctx, m, k.private, digest)
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
