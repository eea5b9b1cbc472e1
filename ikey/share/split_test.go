package share

import (
	"bytes"
	"errors"
	"io"
	"math/bits"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/ikey"
)

// entropy is random, and the same in every run.
func entropy(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = entropy(seed).Read(b) // ChaCha8 never fails
	return b
}

func split(t testing.TB, secret []byte, m, n int) []Share {
	t.Helper()
	shares, err := Split(secret, m, n, entropy(byte(16*m+n)))
	if err != nil {
		t.Fatal(err)
	}
	return shares
}

func TestAnyMSharesGiveTheSecretBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "secret")
		n := rapid.IntRange(1, ikey.MaxKeys).Draw(t, "n")
		m := rapid.IntRange(1, n).Draw(t, "m")
		shares, err := Split(secret, m, n, entropy(rapid.Byte().Draw(t, "seed")))
		if err != nil {
			t.Fatal(err)
		}
		chosen := rapid.Permutation(shares).Draw(t, "order")[:rapid.IntRange(m, n).Draw(t, "chosen")]
		if got, err := Combine(chosen); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%d shares of %d of %d give % x (%v), want % x", len(chosen), m, n, got, err, secret)
		}
	})
}

// Whatever M-1 shares say, every byte of the secret is still possible, each with
// exactly one value of the missing share: they tell nothing.
func TestOneShareTooFewLeavesEverySecretPossible(t *testing.T) {
	for m := 2; m <= ikey.MaxKeys; m++ {
		shares := split(t, []byte{0x5a}, m, ikey.MaxKeys)
		known, missing := shares[:m-1], shares[m-1]
		var seen [256]bool
		for guess := range 256 {
			through := append([]Share{{X: 0, Y: []byte{byte(guess)}}}, known...)
			value := interpolate(through, missing.X)[0]
			if seen[value] {
				t.Fatalf("M = %d: two secrets go with the share %02x", m, value)
			}
			seen[value] = true
			if back := interpolate(append([]Share{{missing.X, []byte{value}}}, known...), 0)[0]; back != byte(guess) {
				t.Fatalf("M = %d: the share for the secret %02x gives %02x", m, guess, back)
			}
		}
	}
}

// The shares that fewer than M people hold are spread alike for any two secrets:
// over all random choices, each value of a share comes up once.
func TestAShareByItselfIsUniform(t *testing.T) {
	for _, secret := range []byte{0x00, 0x01, 0xff} {
		for place := range 3 {
			var seen [256]bool
			for choice := range 256 {
				shares, err := Split([]byte{secret}, 2, 3, bytes.NewReader([]byte{byte(choice)}))
				if err != nil {
					t.Fatal(err)
				}
				seen[shares[place].Y[0]] = true
			}
			for value, ok := range seen {
				if !ok {
					t.Errorf("share %d of the secret %02x is never %02x", place+1, secret, value)
				}
			}
		}
	}
}

func TestEveryShareOfOneOfNIsTheSecret(t *testing.T) {
	secret := random(1, ikey.SecretSize)
	for n := 1; n <= ikey.MaxKeys; n++ {
		for _, s := range split(t, secret, 1, n) {
			if !bytes.Equal(s.Y, secret) {
				t.Errorf("N = %d: share %d is not the secret", n, s.X)
			}
		}
	}
}

func TestNumbersThatMakeNoSetAreRefused(t *testing.T) {
	for _, test := range []struct {
		m, n int
		want error
	}{
		{1, 0, ErrNTooSmall},
		{1, -1, ErrNTooSmall},
		{1, 17, ErrNTooLarge},
		{0, 1, ErrMTooSmall},
		{-1, 5, ErrMTooSmall},
		{2, 1, ErrMTooLarge},
		{17, 16, ErrMTooLarge},
	} {
		if _, err := Split([]byte{1}, test.m, test.n, entropy(0)); !errors.Is(err, test.want) {
			t.Errorf("%d of %d: %v, want %v", test.m, test.n, err, test.want)
		}
	}
}

func TestSplitFailsWhenEntropyRunsOut(t *testing.T) {
	if _, err := Split(make([]byte, 32), 3, 5, bytes.NewReader(make([]byte, 63))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestSharesThatCannotBeCombinedAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		shares []Share
		want   error
	}{
		"none":              {nil, ErrMissing},
		"two at one place":  {[]Share{{1, []byte{1}}, {1, []byte{2}}}, ErrDuplicate},
		"one at place 0":    {[]Share{{0, []byte{1}}}, ErrSplit},
		"different lengths": {[]Share{{1, []byte{1}}, {2, []byte{2, 3}}}, ErrSplit},
	} {
		if _, err := Combine(test.shares); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// subsets returns every choice of fewer than m of n, or of exactly m.
func subsets(n int, wanted func(size int) bool) []uint {
	var all []uint
	for chosen := range uint(1) << n {
		if wanted(bits.OnesCount(chosen)) {
			all = append(all, chosen)
		}
	}
	return all
}

func pick[T any](all []T, chosen uint) []T {
	var some []T
	for i := range all {
		if chosen>>i&1 == 1 {
			some = append(some, all[i])
		}
	}
	return some
}

func BenchmarkSplit16Of16(b *testing.B) {
	secret, source := random(1, ikey.SecretSize), entropy(2)
	for b.Loop() {
		if _, err := Split(secret, 16, 16, source); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCombine16Of16(b *testing.B) {
	shares := split(b, random(1, ikey.SecretSize), 16, 16)
	for b.Loop() {
		if _, err := Combine(shares); err != nil {
			b.Fatal(err)
		}
	}
}
