package hostdrv

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"
	"io"

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
	m, data, err := k.scheme(digest, opts)
	if err != nil {
		return nil, err
	}
	signature, err := k.session.Sign(ctx, m, k.private, data)
	if err != nil || m.Type != command.MechECDSA {
		return signature, err
	}
	return derECDSA(signature)
}

// Verify has the device check a signature that SignContext made of digest with
// opts; public is the handle of the public key in the device. A wrong signature is
// command.StatusSignatureInvalid.
func (k *Signer) Verify(ctx context.Context, public command.Handle, digest, signature []byte, opts crypto.SignerOpts) error {
	m, data, err := k.scheme(digest, opts)
	if err != nil {
		return err
	}
	if key, ok := k.public.(*ecdsa.PublicKey); ok {
		if signature, err = rawECDSA(key, signature); err != nil {
			return err
		}
	}
	return k.session.Verify(ctx, m, public, data, signature)
}

// SignsMessages reports whether the key signs messages and not their hashes, as
// Ed25519 and ML-DSA do.
func (k *Signer) SignsMessages() bool {
	_, messages := signsMessages(k.public)
	return messages
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
