package fuf

import (
	"crypto"
	"crypto/hpke"
	"encoding/pem"
	"errors"
	"fmt"

	"filippo.io/mldsa/x509"
)

// The types of PEM blocks. The keys of signers are PKCS #8 and PKIX, as other
// programs write them; there is no such form yet for the keys of models.
const (
	pemPrivate       = "PRIVATE KEY"
	pemPublic        = "PUBLIC KEY"
	pemModelsPrivate = "FUF MODELS PRIVATE KEY" // the 32 bytes of its seed
	pemModelsPublic  = "FUF MODELS PUBLIC KEY"  // 1,216 bytes: ML-KEM-768, then X25519
)

// ErrKeyFile is what every error about a file of keys carries.
var ErrKeyFile = errors.New("not the key that is needed")

// EncodeKey returns the PEM of an Ed25519 or ML-DSA-65 key.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	if _, err := signerHeader(key.Public()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), nil
}

// DecodeKey reads what EncodeKey writes.
func DecodeKey(text []byte) (crypto.Signer, error) {
	der, err := pemBlock(text, pemPrivate)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a key of type %T does not sign", ErrKeyFile, key)
	}
	if _, err := signerHeader(signer.Public()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return signer, nil
}

// EncodeModels returns the PEM of the private key of a group of models.
func EncodeModels(key hpke.PrivateKey) ([]byte, error) {
	raw, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	defer clear(raw)
	return pem.EncodeToMemory(&pem.Block{Type: pemModelsPrivate, Bytes: raw}), nil
}

// DecodeModels reads what EncodeModels writes.
func DecodeModels(text []byte) (hpke.PrivateKey, error) {
	raw, err := pemBlock(text, pemModelsPrivate)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	key, err := ModelKEM().NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return key, nil
}

// EncodeModelsPublic returns the PEM of the public key of a group of models.
func EncodeModelsPublic(key hpke.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemModelsPublic, Bytes: key.Bytes()})
}

// DecodeModelsPublic reads what EncodeModelsPublic writes.
func DecodeModelsPublic(text []byte) (hpke.PublicKey, error) {
	raw, err := pemBlock(text, pemModelsPublic)
	if err != nil {
		return nil, err
	}
	key, err := ModelKEM().NewPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return key, nil
}

func pemBlock(text []byte, kind string) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%w: there is no PEM block %q", ErrKeyFile, kind)
	}
	return block.Bytes, nil
}
