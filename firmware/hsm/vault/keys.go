package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// KeySize is the size in bytes of every key of the hierarchy.
const KeySize = 32

// nonceSize is that of AES-GCM. Nonces are random, which is safe for 2^32
// seals under one key (NIST SP 800-38D, section 8.3).
const nonceSize = 12

// ErrSealed says that a sealed value does not open: it was changed, belongs to
// another name, or was sealed under another key.
var ErrSealed = errors.New("sealed value does not open")

// Sealer seals values under one key. It may be used by several callers at once
// if its entropy may.
type Sealer struct {
	aead    cipher.AEAD
	entropy io.Reader
}

// NewSealer returns a sealer for a key of KeySize bytes.
func NewSealer(key []byte, entropy io.Reader) (*Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	return &Sealer{aead, entropy}, nil
}

// Seal returns nonce, ciphertext and tag of value, bound to name: 28 bytes
// more than value has.
func (s *Sealer) Seal(name string, value []byte) ([]byte, error) {
	sealed := make([]byte, nonceSize, nonceSize+len(value)+s.aead.Overhead())
	if _, err := io.ReadFull(s.entropy, sealed); err != nil {
		return nil, fmt.Errorf("nonce: %w", err)
	}
	return s.aead.Seal(sealed, sealed, value, []byte(name)), nil
}

// Open is the inverse of Seal; anything else is ErrSealed.
func (s *Sealer) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < nonceSize {
		return nil, ErrSealed
	}
	value, err := s.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], []byte(name))
	if err != nil {
		return nil, ErrSealed
	}
	return value, nil
}
