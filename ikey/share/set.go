package share

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"

	"usbhsm7/ikey"
)

// Plan is what a set of keys is to be.
type Plan struct {
	Kind ikey.Kind
	M    int // keys that open the set
	N    int // keys that there are
}

// Make divides a secret of ikey.SecretSize bytes among the keys of a new set, and
// returns what is to be written on each, in the order of their indices. It reads
// the name of the set and then the shares from entropy. The caller wipes what it
// returns. Errors: ErrNTooLarge and its like, ErrSplit for a secret of another
// length or a kind that holds none, and those of entropy.
func Make(p Plan, secret []byte, entropy io.Reader) ([]ikey.Contents, error) {
	if len(secret) != ikey.SecretSize {
		return nil, fmt.Errorf("%w: a secret of %d bytes, want %d", ErrSplit, len(secret), ikey.SecretSize)
	}
	if err := checkNumbers(p.M, p.N); err != nil {
		return nil, err
	}
	c := ikey.Contents{Kind: p.Kind, M: uint8(p.M), N: uint8(p.N)}
	if _, err := io.ReadFull(entropy, c.Set[:]); err != nil {
		return nil, fmt.Errorf("name a set of keys: %w", err)
	}
	c.Check = check(&c, secret)
	shares, err := Split(secret, p.M, p.N, entropy)
	if err != nil {
		return nil, err
	}
	keys := make([]ikey.Contents, 0, p.N)
	for _, s := range shares {
		key := c
		key.Index, key.Share = s.X, s.Y
		if err := key.Validate(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSplit, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// check binds what all keys of a set have in common to the secret. It tells
// nothing of a secret that cannot be guessed.
func check(c *ikey.Contents, secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("usbhsm7 keyset 1"))
	mac.Write([]byte{uint8(c.Kind), c.M, c.N})
	mac.Write(c.Set[:])
	return mac.Sum(nil)
}

// Join reports whether a key may be added to those of a set that are there.
// Errors: ErrDifferentSet, ErrDuplicate for a copy of one of them, ErrSplit for
// contents that make no sense or contradict theirs.
func Join(keys []ikey.Contents, next ikey.Contents) error {
	if err := next.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrSplit, err)
	}
	for i := range keys {
		if err := agree(&keys[i], &next); err != nil {
			return err
		}
	}
	return nil
}

// agree returns why two keys cannot be used together.
func agree(a, b *ikey.Contents) error {
	sameShare := subtle.ConstantTimeCompare(a.Share, b.Share) == 1
	switch {
	case a.Set != b.Set:
		return ErrDifferentSet
	case a.Kind != b.Kind || a.M != b.M || a.N != b.N || subtle.ConstantTimeCompare(a.Check, b.Check) == 0:
		return fmt.Errorf("%w: keys of one set that do not agree on it", ErrSplit)
	case a.Index == b.Index && sameShare:
		return fmt.Errorf("%w: key %d of %d", ErrDuplicate, a.Index, a.N)
	case a.Index == b.Index:
		return fmt.Errorf("%w: two keys are number %d of their set", ErrSplit, a.Index)
	}
	return nil
}

// Open returns the secret of a set, of which at least M keys are given; the
// caller wipes it. Keys beyond those must fit as well. Errors: those of Join,
// ErrMissing, and ErrSecret if a key was changed.
func Open(keys []ikey.Contents) ([]byte, error) {
	shares := make([]Share, 0, len(keys))
	for i := range keys {
		if err := Join(keys[:i], keys[i]); err != nil {
			return nil, err
		}
		shares = append(shares, Share{X: keys[i].Index, Y: keys[i].Share})
	}
	if len(keys) == 0 || len(keys) < int(keys[0].M) {
		return nil, fmt.Errorf("%w: there are %d", ErrMissing, len(keys))
	}
	enough, more := shares[:keys[0].M], shares[keys[0].M:]
	secret, err := Combine(enough)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(check(&keys[0], secret), keys[0].Check) || !fit(enough, more) {
		clear(secret)
		return nil, ErrSecret
	}
	return secret, nil
}

// fit reports whether the polynomials through enough shares go through more.
func fit(enough, more []Share) bool {
	for _, s := range more {
		y := interpolate(enough, s.X)
		same := subtle.ConstantTimeCompare(y, s.Y) == 1
		clear(y)
		if !same {
			return false
		}
	}
	return true
}
