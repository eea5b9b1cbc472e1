package hostdrv

import (
	"context"
	"crypto"
	"io"

	"usbhsm7/firmware/command"
)

// Signer is a private key in the device as a crypto.Signer, so that crypto/x509
// and crypto/tls use it like any other key. It signs with RSA PKCS#1 v1.5 or,
// given *rsa.PSSOptions, RSA-PSS, and with ECDSA (ASN.1 signatures). It may be
// used by several goroutines.
type Signer struct {
	session *Session
	private command.Handle
	public  crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
}

var _ crypto.Signer = (*Signer)(nil)

// Public returns the public key, *rsa.PublicKey or *ecdsa.PublicKey.
func (k *Signer) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer. The device's own generator is used in place
// of random. Use SignContext for a call that can be given up.
func (k *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(context.Background(), digest, opts)
}

// Signer returns a signer for the private key with the handle private. ctx
// bounds only the reading of the public key.
func (s *Session) Signer(ctx context.Context, private command.Handle) (*Signer, error) {
	return nil, nil
}

// SignContext is Sign with a context.
func (k *Signer) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return nil, nil
}
