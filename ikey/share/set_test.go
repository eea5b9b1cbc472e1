package share

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/ikey"
)

func makeSet(t testing.TB, m, n int, seed byte) (secret []byte, keys []ikey.Contents) {
	t.Helper()
	secret = random(seed, ikey.SecretSize)
	keys, err := Make(Plan{Kind: ikey.SO, M: m, N: n}, secret, entropy(seed+100))
	if err != nil {
		t.Fatal(err)
	}
	return secret, keys
}

func copyOf(keys []ikey.Contents) []ikey.Contents {
	copied := slices.Clone(keys)
	for i := range copied {
		copied[i].Share, copied[i].Check = bytes.Clone(keys[i].Share), bytes.Clone(keys[i].Check)
	}
	return copied
}

// Up to eight keys, every choice of keys is tried: M of them open the set, more
// do too, and fewer are refused.
func TestEverySubsetOpensTheSetOrIsRefused(t *testing.T) {
	for n := 1; n <= 8; n++ {
		for m := 1; m <= n; m++ {
			secret, keys := makeSet(t, m, n, byte(m))
			for _, chosen := range subsets(n, func(size int) bool { return true }) {
				some := pick(keys, chosen)
				got, err := Open(some)
				switch {
				case len(some) < m && !errors.Is(err, ErrMissing):
					t.Errorf("keys %b of %d of %d: %v, want %v", chosen, m, n, err, ErrMissing)
				case len(some) >= m && (err != nil || !bytes.Equal(got, secret)):
					t.Errorf("keys %b of %d of %d: error %v, or another secret", chosen, m, n, err)
				}
			}
		}
	}
}

func TestSetsOfUpToSixteenKeysOpenOrAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(9, ikey.MaxKeys).Draw(t, "n")
		m := rapid.IntRange(1, n).Draw(t, "m")
		secret := random(7, ikey.SecretSize)
		keys, err := Make(Plan{Kind: ikey.User, M: m, N: n}, secret, entropy(rapid.Byte().Draw(t, "seed")))
		if err != nil {
			t.Fatal(err)
		}
		some := rapid.Permutation(keys).Draw(t, "order")[:rapid.IntRange(0, n).Draw(t, "chosen")]
		got, err := Open(some)
		if len(some) < m && !errors.Is(err, ErrMissing) {
			t.Errorf("%d keys of %d of %d: %v, want %v", len(some), m, n, err, ErrMissing)
		}
		if len(some) >= m && (err != nil || !bytes.Equal(got, secret)) {
			t.Errorf("%d keys of %d of %d: error %v, or another secret", len(some), m, n, err)
		}
	})
}

// One key too few does not open the set even for a reader that believes that it
// is enough: the check knows M, and the secret is another.
func TestAKeyTooFewDoesNotOpenASetThatClaimsASmallerM(t *testing.T) {
	for n := 2; n <= 8; n++ {
		for m := 2; m <= n; m++ {
			_, keys := makeSet(t, m, n, byte(n))
			for i := range keys {
				keys[i].M--
			}
			for _, chosen := range subsets(n, func(size int) bool { return size >= m-1 }) {
				if _, err := Open(pick(keys, chosen)); !errors.Is(err, ErrSecret) {
					t.Fatalf("keys %b of %d of %d with M lowered: %v, want %v", chosen, m, n, err, ErrSecret)
				}
			}
		}
	}
}

func TestWholeSetsThatWereChangedAlikeDoNotOpen(t *testing.T) {
	for name, change := range map[string]func(*ikey.Contents){
		"M raised":      func(c *ikey.Contents) { c.M++ },
		"N raised":      func(c *ikey.Contents) { c.N++ },
		"N lowered":     func(c *ikey.Contents) { c.N-- },
		"kind":          func(c *ikey.Contents) { c.Kind = ikey.User },
		"name":          func(c *ikey.Contents) { c.Set[15] ^= 1 },
		"check":         func(c *ikey.Contents) { c.Check[31] ^= 1 },
		"indices moved": func(c *ikey.Contents) { c.Index++ },
	} {
		_, keys := makeSet(t, 3, 6, 1)
		keys = keys[:4]
		for i := range keys {
			keys[i].Check = bytes.Clone(keys[i].Check)
			change(&keys[i])
		}
		if _, err := Open(keys); !errors.Is(err, ErrSecret) {
			t.Errorf("%s: %v, want %v", name, err, ErrSecret)
		}
	}
}

func TestAKeyThatDoesNotBelongIsRefused(t *testing.T) {
	_, others := makeSet(t, 3, 5, 9)
	for name, test := range map[string]struct {
		change func(third *ikey.Contents, first ikey.Contents)
		join   error // nil: it shows only when the set is opened
		open   error
	}{
		"of another set":        {func(c *ikey.Contents, _ ikey.Contents) { *c = others[2] }, ErrDifferentSet, ErrDifferentSet},
		"named like another":    {func(c *ikey.Contents, _ ikey.Contents) { c.Set = others[2].Set }, ErrDifferentSet, ErrDifferentSet},
		"a copy of the first":   {func(c *ikey.Contents, first ikey.Contents) { *c = first }, ErrDuplicate, ErrDuplicate},
		"with the first index":  {func(c *ikey.Contents, first ikey.Contents) { c.Index = first.Index }, ErrSplit, ErrSplit},
		"with a lower M":        {func(c *ikey.Contents, _ ikey.Contents) { c.M = 2 }, ErrSplit, ErrSplit},
		"with a higher N":       {func(c *ikey.Contents, _ ikey.Contents) { c.N = 6 }, ErrSplit, ErrSplit},
		"of another kind":       {func(c *ikey.Contents, _ ikey.Contents) { c.Kind = ikey.Domain }, ErrSplit, ErrSplit},
		"with another check":    {func(c *ikey.Contents, _ ikey.Contents) { c.Check[0] ^= 1 }, ErrSplit, ErrSplit},
		"with index 0":          {func(c *ikey.Contents, _ ikey.Contents) { c.Index = 0 }, ErrSplit, ErrSplit},
		"with an index above N": {func(c *ikey.Contents, _ ikey.Contents) { c.Index = 6 }, ErrSplit, ErrSplit},
		"with half a share":     {func(c *ikey.Contents, _ ikey.Contents) { c.Share = c.Share[:16] }, ErrSplit, ErrSplit},
		"with a free index":     {func(c *ikey.Contents, _ ikey.Contents) { c.Index = 5 }, nil, ErrSecret},
		"with a changed share":  {func(c *ikey.Contents, _ ikey.Contents) { c.Share[0] ^= 0x80 }, nil, ErrSecret},
	} {
		_, keys := makeSet(t, 3, 5, 2)
		keys = copyOf(keys[:3])
		test.change(&keys[2], keys[0])
		if err := Join(keys[:2], keys[2]); !errors.Is(err, test.join) {
			t.Errorf("join a key %s: %v, want %v", name, err, test.join)
		}
		if _, err := Open(keys); !errors.Is(err, test.open) {
			t.Errorf("open with a key %s: %v, want %v", name, err, test.open)
		}
	}
}

// A key more than M needs is no licence to be a wrong one.
func TestEveryFlippedBitOfAShareIsNoticed(t *testing.T) {
	_, keys := makeSet(t, 2, 3, 3)
	for key := range keys {
		for bit := range 8 * ikey.SecretSize {
			changed := copyOf(keys)
			changed[key].Share[bit/8] ^= 1 << (bit % 8)
			if _, err := Open(changed); !errors.Is(err, ErrSecret) {
				t.Fatalf("bit %d of share %d: %v, want %v", bit, key+1, err, ErrSecret)
			}
		}
	}
}

func TestMakeRefusesWhatNoKeyCanHold(t *testing.T) {
	for name, test := range map[string]struct {
		plan   Plan
		secret int
		want   error
	}{
		"a short secret":  {Plan{ikey.SO, 1, 1}, 31, ErrSplit},
		"a long secret":   {Plan{ikey.SO, 1, 1}, 33, ErrSplit},
		"a blank kind":    {Plan{ikey.Blank, 1, 1}, 32, ErrSplit},
		"an unknown kind": {Plan{ikey.RPV + 1, 1, 1}, 32, ErrSplit},
		"17 keys":         {Plan{ikey.SO, 1, 17}, 32, ErrNTooLarge},
		"257 keys":        {Plan{ikey.SO, 1, 257}, 32, ErrNTooLarge},
		"3 of 2":          {Plan{ikey.SO, 3, 2}, 32, ErrMTooLarge},
		"0 of 2":          {Plan{ikey.SO, 0, 2}, 32, ErrMTooSmall},
		"0 keys":          {Plan{ikey.SO, 0, 0}, 32, ErrNTooSmall},
	} {
		if _, err := Make(test.plan, make([]byte, test.secret), entropy(1)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestOneKeyAloneHoldsTheSecretItself(t *testing.T) {
	secret, keys := makeSet(t, 1, 1, 4)
	if !bytes.Equal(keys[0].Share, secret) {
		t.Error("the share of one of one is not the secret")
	}
}

func TestSetsOfTheSameSecretHaveNamesOfTheirOwn(t *testing.T) {
	secret := random(1, ikey.SecretSize)
	source := entropy(1)
	first, err := Make(Plan{ikey.SO, 1, 1}, secret, source)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Make(Plan{ikey.SO, 1, 1}, secret, source)
	if err != nil {
		t.Fatal(err)
	}
	if first[0].Set == second[0].Set || bytes.Equal(first[0].Check, second[0].Check) {
		t.Error("two sets cannot be told apart")
	}
}
