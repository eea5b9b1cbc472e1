package token

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"golang.org/x/crypto/scrypt"

	"usbhsm7/ikey"
)

// sealSize is how much longer sealed data is, in bytes.
const sealSize = 16

// defaultCost makes a try at a PIN take some tens of milliseconds and 16 MiB.
const defaultCost = 14

// seal encrypts data under the PIN, which is kept nowhere. r.salt is fresh, so
// that the key is never used twice and its nonce may be constant.
func (r *record) seal(pin, data []byte) error {
	aead, err := r.cipher(pin)
	if err != nil {
		return err
	}
	r.data = aead.Seal(nil, make([]byte, aead.NonceSize()), data, []byte{r.kind})
	return nil
}

// open is the reverse of seal. The error is ikey.ErrPIN; the comparison in it
// takes the same time for every wrong PIN.
func (r *record) open(pin []byte) ([]byte, error) {
	aead, err := r.cipher(pin)
	if err != nil {
		return nil, err
	}
	data, err := aead.Open(nil, make([]byte, aead.NonceSize()), r.data, []byte{r.kind})
	if err != nil {
		return nil, ikey.ErrPIN
	}
	return data, nil
}

func (r *record) cipher(pin []byte) (cipher.AEAD, error) {
	key, err := scrypt.Key(pin, r.salt[:], 1<<r.cost, 8, 1, 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key from a PIN: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
