package auth

import (
	"crypto/aes"
	"crypto/cipher"
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

// Cost is a set of Argon2id parameters (RFC 9106). Its number is stored with
// each credential, so that a later version can raise the cost and still read
// what is there.
type Cost struct {
	Number  uint8
	Passes  uint32
	Memory  uint32 // KiB
	Threads uint8
}

// Costs lists the parameters ever used; the last one is used for new
// credentials. 8 MiB and two passes take about 10 ms on one core of a desktop
// computer; the attempt counters, not the cost, stop guessing on the device.
var Costs = []Cost{
	{Number: 1, Passes: 2, Memory: 8 << 10, Threads: 1},
}

const (
	saltSize = 16
	keySize  = 32
)

// Credential is a sealed secret. It may be stored as it is.
type Credential struct {
	Cost   uint8  `cbor:"1,keyasint"` // Number of a row of Costs
	Salt   []byte `cbor:"2,keyasint"` // 16 random bytes
	Sealed []byte `cbor:"3,keyasint"` // AES-256-GCM: the secret and its tag
}

// Seal returns a credential that gives secret to whoever knows password. The
// purpose, such as a role's name, is bound to it.
func Seal(password, secret []byte, purpose string, entropy io.Reader) (*Credential, error) {
	cost := Costs[len(Costs)-1]
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(entropy, salt); err != nil {
		return nil, fmt.Errorf("salt: %w", err)
	}
	aead, err := cost.cipher(password, salt)
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal(nil, zeroNonce(aead), secret, []byte(purpose))
	return &Credential{Cost: cost.Number, Salt: salt, Sealed: sealed}, nil
}

// Open returns the secret, which the caller wipes after use, or
// ErrWrongPassword.
func (c *Credential) Open(password []byte, purpose string) ([]byte, error) {
	for _, cost := range Costs {
		if cost.Number != c.Cost {
			continue
		}
		aead, err := cost.cipher(password, c.Salt)
		if err != nil {
			return nil, err
		}
		secret, err := aead.Open(nil, zeroNonce(aead), c.Sealed, []byte(purpose))
		if err != nil {
			return nil, ErrWrongPassword
		}
		return secret, nil
	}
	return nil, ErrUnknownCost
}

func (c Cost) cipher(password, salt []byte) (cipher.AEAD, error) {
	key := argon2.IDKey(password, salt, c.Passes, c.Memory, c.Threads, keySize)
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// zeroNonce is safe here: each key comes from a fresh salt and seals once.
func zeroNonce(aead cipher.AEAD) []byte { return make([]byte, aead.NonceSize()) }
