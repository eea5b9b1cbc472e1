package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
)

// ErrWrongPassword says that a credential did not open.
var ErrWrongPassword = errors.New("wrong password")

// ErrUnknownCost says that a credential was made with parameters that this
// version does not know.
var ErrUnknownCost = errors.New("unknown password hashing parameters")

// Cost chooses how a key is made of a password: with which parameters of Argon2id
// (RFC 9106), if any. The number is stored with each credential, so that a later
// version can raise the cost and still read what is there.
type Cost uint8

const (
	// Standard takes 8 MiB and two passes: about 10 ms on one core of a desktop
	// computer. On the device the attempt counters stop guessing, not the cost.
	Standard Cost = 1
	// Quick costs next to nothing. It is for devices that tests make by the
	// thousand.
	Quick Cost = 2
	// Keyset is not for passwords, but for the 32 random bytes that the iKeys of a
	// set give: nobody guesses them, so HKDF-SHA256 (RFC 5869) will do.
	Keyset Cost = 3
)

type parameters struct {
	passes  uint32
	memory  uint32 // KiB
	threads uint8
}

// costs has the parameters of Argon2id ever used.
var costs = map[Cost]parameters{
	Standard: {passes: 2, memory: 8 << 10, threads: 1},
	Quick:    {passes: 1, memory: 8, threads: 1},
}

const (
	saltSize = 16
	keySize  = 32
)

// Credential is a sealed secret. It may be stored as it is.
type Credential struct {
	Cost   Cost   `cbor:"1,keyasint"`
	Salt   []byte `cbor:"2,keyasint"` // 16 random bytes
	Sealed []byte `cbor:"3,keyasint"` // AES-256-GCM: the secret and its tag
}

// Seal returns a credential that gives secret to whoever knows password. The
// purpose, such as a role's name, is bound to it.
func Seal(password, secret []byte, purpose string, cost Cost, entropy io.Reader) (*Credential, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(entropy, salt); err != nil {
		return nil, fmt.Errorf("salt: %w", err)
	}
	aead, err := cost.cipher(password, salt)
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal(nil, zeroNonce(aead), secret, []byte(purpose))
	return &Credential{Cost: cost, Salt: salt, Sealed: sealed}, nil
}

// Open returns the secret, which the caller wipes after use, or
// ErrWrongPassword.
func (c *Credential) Open(password []byte, purpose string) ([]byte, error) {
	aead, err := c.Cost.cipher(password, c.Salt)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, zeroNonce(aead), c.Sealed, []byte(purpose))
	if err != nil {
		return nil, ErrWrongPassword
	}
	return secret, nil
}

func (c Cost) cipher(password, salt []byte) (cipher.AEAD, error) {
	key, err := c.key(password, salt)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (c Cost) key(password, salt []byte) ([]byte, error) {
	if c == Keyset {
		return hkdf.Key(sha256.New, password, salt, "usbhsm7 keyset", keySize)
	}
	p, ok := costs[c]
	if !ok {
		return nil, ErrUnknownCost
	}
	return argon2.IDKey(password, salt, p.passes, p.memory, p.threads, keySize), nil
}

// zeroNonce is safe here: each key comes from a fresh salt and seals once.
func zeroNonce(aead cipher.AEAD) []byte { return make([]byte, aead.NonceSize()) }
