package share

import (
	"errors"
	"fmt"
	"io"

	"usbhsm7/ikey"
)

// Errors of numbers that make no set. With n keys of which m open it,
// 1 <= m <= n <= ikey.MaxKeys.
var (
	ErrNTooLarge = errors.New("more keys than a set can have")
	ErrNTooSmall = errors.New("a set has at least one key")
	ErrMTooLarge = errors.New("a set cannot need more keys than it has")
	ErrMTooSmall = errors.New("a set needs at least one key")
)

// Errors of shares and of keys.
var (
	// ErrMissing says that there are fewer keys than the set needs.
	ErrMissing = errors.New("keys of the set are missing")
	// ErrDuplicate says that a share is there twice: two copies of one key.
	ErrDuplicate = errors.New("the same key of the set is there twice")
	// ErrDifferentSet says that keys of two sets are mixed.
	ErrDifferentSet = errors.New("the keys are of different sets")
	// ErrSplit says that a share cannot be what was made: its fields make no
	// sense, or contradict those of another share of its set.
	ErrSplit = errors.New("the data of a share is invalid")
	// ErrSecret says that shares which look right open another secret than
	// theirs: at least one of them was changed.
	ErrSecret = errors.New("the keys do not open the secret of their set")
)

// Share is one share of a secret: the value at X of a polynomial whose value at 0
// is the secret. Y holds a byte for each byte of the secret, and is secret too.
type Share struct {
	X uint8 // 1 to n
	Y []byte
}

// checkNumbers returns what is wrong with m of n.
func checkNumbers(m, n int) error {
	switch {
	case n < 1:
		return fmt.Errorf("%w: N is %d", ErrNTooSmall, n)
	case n > ikey.MaxKeys:
		return fmt.Errorf("%w: N is %d, the limit %d", ErrNTooLarge, n, ikey.MaxKeys)
	case m < 1:
		return fmt.Errorf("%w: M is %d", ErrMTooSmall, m)
	case m > n:
		return fmt.Errorf("%w: M is %d, N is %d", ErrMTooLarge, m, n)
	}
	return nil
}

// Split returns n shares of a secret, at the places 1 to n, of which any m give
// it back. It reads (m-1)*len(secret) bytes of entropy. With m = 1 every share is
// the secret. Errors: ErrNTooLarge and its like, and those of entropy.
func Split(secret []byte, m, n int, entropy io.Reader) ([]Share, error) {
	if err := checkNumbers(m, n); err != nil {
		return nil, err
	}
	// coefficients[k] belongs to x^k, a byte for each byte of the secret.
	coefficients := make([][]byte, m)
	coefficients[0] = secret
	random := make([]byte, (m-1)*len(secret))
	defer clear(random)
	if _, err := io.ReadFull(entropy, random); err != nil {
		return nil, fmt.Errorf("split a secret: %w", err)
	}
	for k := 1; k < m; k++ {
		coefficients[k] = random[(k-1)*len(secret):][:len(secret)]
	}
	shares := make([]Share, n)
	for i := range shares {
		x := uint8(i + 1)
		shares[i] = Share{X: x, Y: evaluate(coefficients, x)}
	}
	return shares, nil
}

// evaluate returns the values at x, by Horner's rule.
func evaluate(coefficients [][]byte, x uint8) []byte {
	highest := len(coefficients) - 1
	y := append([]byte(nil), coefficients[highest]...)
	for k := highest - 1; k >= 0; k-- {
		for i, c := range coefficients[k] {
			y[i] = mul(y[i], x) ^ c
		}
	}
	return y
}

// Combine returns the secret of which all the shares are, if there are m or more
// of them and none was changed; it cannot know. Errors: ErrMissing without any
// share, ErrDuplicate for two at one place, ErrSplit for a place 0 or shares of
// different lengths.
func Combine(shares []Share) ([]byte, error) {
	if err := checkShares(shares); err != nil {
		return nil, err
	}
	return interpolate(shares, 0), nil
}

func checkShares(shares []Share) error {
	if len(shares) == 0 {
		return ErrMissing
	}
	var seen [256]bool
	for _, s := range shares {
		switch {
		case s.X == 0:
			return fmt.Errorf("%w: a share at place 0", ErrSplit)
		case len(s.Y) != len(shares[0].Y):
			return fmt.Errorf("%w: shares of %d and %d bytes", ErrSplit, len(shares[0].Y), len(s.Y))
		case seen[s.X]:
			return fmt.Errorf("%w: share %d", ErrDuplicate, s.X)
		}
		seen[s.X] = true
	}
	return nil
}

// interpolate returns the values at x of the polynomials of least degree through
// the shares (Lagrange). No two shares have the same place.
func interpolate(shares []Share, x uint8) []byte {
	y := make([]byte, len(shares[0].Y))
	for i, s := range shares {
		weight := byte(1)
		for j, other := range shares {
			if j != i {
				weight = mul(weight, mul(x^other.X, inverse(s.X^other.X)))
			}
		}
		for k := range y {
			y[k] ^= mul(weight, s.Y[k])
		}
	}
	return y
}
