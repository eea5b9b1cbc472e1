package ikey

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// example is what a key of a set of three holds.
func example() Contents {
	return Contents{
		Kind: SO, Set: Set{0: 0xa0, 15: 0xaf}, M: 2, N: 3, Index: 3,
		Share: bytes.Repeat([]byte{0x11}, SecretSize), Check: bytes.Repeat([]byte{0x22}, CheckSize),
	}
}

func encode(t testing.TB, c Contents) []byte {
	t.Helper()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func same(a, b Contents) bool {
	return a.Kind == b.Kind && a.Set == b.Set && a.M == b.M && a.N == b.N && a.Index == b.Index &&
		bytes.Equal(a.Share, b.Share) && bytes.Equal(a.Check, b.Check)
}

func TestContentsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint8Range(1, MaxKeys).Draw(t, "n")
		want := Contents{
			Kind: Kind(rapid.Uint8Range(1, uint8(lastKind)).Draw(t, "kind")),
			N:    n, M: rapid.Uint8Range(1, n).Draw(t, "m"), Index: rapid.Uint8Range(1, n).Draw(t, "index"),
			Share: rapid.SliceOfN(rapid.Byte(), SecretSize, SecretSize).Draw(t, "share"),
			Check: rapid.SliceOfN(rapid.Byte(), CheckSize, CheckSize).Draw(t, "check"),
		}
		copy(want.Set[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "set"))
		b, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeContents(b); err != nil || !same(got, want) {
			t.Errorf("decoded %+v (%v), want %+v", got, err, want)
		}
	})
}

func TestContentsThatMakeNoSenseAreNeitherWrittenNorRead(t *testing.T) {
	for name, change := range map[string]func(*Contents){
		"a blank kind":     func(c *Contents) { c.Kind = Blank },
		"an unknown kind":  func(c *Contents) { c.Kind = lastKind + 1 },
		"no key needed":    func(c *Contents) { c.M = 0 },
		"more than all":    func(c *Contents) { c.M = c.N + 1 },
		"no keys":          func(c *Contents) { c.M, c.N, c.Index = 0, 0, 0 },
		"17 keys":          func(c *Contents) { c.N = MaxKeys + 1 },
		"index 0":          func(c *Contents) { c.Index = 0 },
		"an index above N": func(c *Contents) { c.Index = c.N + 1 },
	} {
		c := example()
		change(&c)
		if _, err := c.Encode(); !errors.Is(err, ErrContents) {
			t.Errorf("encode %s: %v, want %v", name, err, ErrContents)
		}
		b := encode(t, example())
		b[1], b[18], b[19], b[20] = byte(c.Kind), c.M, c.N, c.Index
		if _, err := DecodeContents(b); !errors.Is(err, ErrContents) {
			t.Errorf("decode %s: %v, want %v", name, err, ErrContents)
		}
	}
	for _, size := range []int{0, SecretSize - 1, SecretSize + 1} {
		c := example()
		c.Share = make([]byte, size)
		if _, err := c.Encode(); !errors.Is(err, ErrContents) {
			t.Errorf("encode a share of %d bytes: %v, want %v", size, err, ErrContents)
		}
	}
}

func TestContentsOfAnotherLengthOrVersionAreRefused(t *testing.T) {
	whole := encode(t, example())
	for n := range whole {
		if _, err := DecodeContents(whole[:n]); !errors.Is(err, ErrContents) {
			t.Errorf("the first %d bytes: %v, want %v", n, err, ErrContents)
		}
	}
	if _, err := DecodeContents(append(whole, 0)); !errors.Is(err, ErrContents) {
		t.Errorf("a byte more: %v, want %v", err, ErrContents)
	}
	whole[0] = contentsVersion + 1
	for _, b := range [][]byte{whole, append(whole, 0), whole[:1]} { // its length is its own business
		if _, err := DecodeContents(b); !errors.Is(err, ErrVersion) || !errors.Is(err, ErrContents) {
			t.Errorf("%d bytes of the next version: %v, want %v", len(b), err, ErrVersion)
		}
	}
}

func TestWipeLeavesNoShare(t *testing.T) {
	c := example()
	share := c.Share
	c.Wipe()
	if !bytes.Equal(share, make([]byte, SecretSize)) {
		t.Errorf("share after it was wiped: % x", share)
	}
}

func FuzzDecodeContents(f *testing.F) {
	f.Add(encode(f, example()))
	f.Add([]byte{contentsVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeContents(b)
		if err != nil {
			if !errors.Is(err, ErrContents) {
				t.Fatalf("error %v, want %v", err, ErrContents)
			}
			return
		}
		if again := encode(t, c); !bytes.Equal(again, b) {
			t.Errorf("decoded % x, encoded % x", b, again)
		}
	})
}
