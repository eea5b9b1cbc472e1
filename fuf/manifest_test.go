package fuf

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sound is a release that Check lets pass.
func sound() Release {
	return Release{
		Kind: Firmware, Product: "usbhsm7", Models: []string{"U700", "U750"}, Version: V(7, 9, 3),
		ValidFrom: []Range{{From: V(7, 7, 0), To: V(7, 7, 9)}, {From: V(7, 9, 0), To: V(7, 9, 2)}},
		Data:      DataChange{From: 1, To: 1}, Rollback: RollbackDestroys, Size: 1,
	}
}

func manifestOf(r Release) Manifest {
	return Manifest{Schema, r, Sealing{Enc: make([]byte, encSize)}}
}

func TestAManifestThatMakesNoSenseIsRefused(t *testing.T) {
	tests := map[string]func(*Release){
		"an unknown kind":              func(r *Release) { r.Kind = 9 },
		"no kind":                      func(r *Release) { r.Kind = 0 },
		"no product":                   func(r *Release) { r.Product = "" },
		"a product with a line break":  func(r *Release) { r.Product = "a\nb" },
		"a long product":               func(r *Release) { r.Product = strings.Repeat("x", 65) },
		"no model":                     func(r *Release) { r.Models = nil },
		"a model without a name":       func(r *Release) { r.Models = []string{""} },
		"models out of order":          func(r *Release) { r.Models = []string{"U750", "U700"} },
		"a model twice":                func(r *Release) { r.Models = []string{"U700", "U700"} },
		"valid from nothing":           func(r *Release) { r.ValidFrom = nil },
		"a range that ends too early":  func(r *Release) { r.ValidFrom = []Range{{From: V(7, 1, 0), To: V(7, 0, 9)}} },
		"ranges that overlap":          func(r *Release) { r.ValidFrom[1].From = V(7, 7, 9) },
		"ranges out of order":          func(r *Release) { slices.Reverse(r.ValidFrom) },
		"a data schema that falls":     func(r *Release) { r.Data.From = 2 },
		"a data schema without a way":  func(r *Release) { r.Data.To = 2 },
		"an unknown class":             func(r *Release) { r.Data.Class = 3 },
		"no word on a rollback":        func(r *Release) { r.Rollback = 0 },
		"a policy twice":               func(r *Release) { r.Requires.PoliciesOff = []uint32{5, 5} },
		"more storage than there is":   func(r *Release) { r.Requires.FreePercent = 101 },
		"notes that move the cursor":   func(r *Release) { r.Notes = "\x1b[2J" },
		"long notes":                   func(r *Release) { r.Notes = strings.Repeat("x", maxNotes+1) },
		"notes that read backwards":    func(r *Release) { r.Notes = "\u202egnihton" },
		"a commit of two lines":        func(r *Release) { r.Provenance.Commit = "a\tb" },
		"a long toolchain":             func(r *Release) { r.Provenance.Toolchain = strings.Repeat("x", 65) },
		"a time before 1970":           func(r *Release) { r.NotAfter = -1 },
		"expired before it is valid":   func(r *Release) { r.NotBefore, r.NotAfter = 3, 2 },
		"an empty payload":             func(r *Release) { r.Size = 0 },
		"a payload beyond all measure": func(r *Release) { r.Size = MaxPayload + 1 },
	}
	for name, change := range tests {
		r := sound()
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
		change(&r)
		if err := r.Check(); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAManifestHasOneEncoding(t *testing.T) {
	good, err := encode(manifestOf(sound()))
	if err != nil {
		t.Fatal(err)
	}
	later, err := encode(map[int]any{1: 2, 7: "something new"})
	if err != nil {
		t.Fatal(err)
	}
	none, err := encode(map[int]any{1: 0, 2: sound(), 3: Sealing{Enc: make([]byte, encSize)}})
	if err != nil {
		t.Fatal(err)
	}
	short, err := encode(Manifest{Schema, sound(), Sealing{Enc: make([]byte, encSize-1)}})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		manifest []byte
		want     error
	}{
		"as it should be":        {good, nil},
		"a later schema":         {later, ErrSchema},
		"schema 0":               {none, ErrManifest},
		"a short secret":         {short, ErrManifest},
		"nothing":                {nil, ErrEncoding},
		"another item after it":  {append(slices.Clone(good), 0), ErrEncoding},
		"a long form of the map": {append([]byte{0xb8, 3}, good[1:]...), ErrEncoding},
		"no end of the map":      {append(append([]byte{0xbf}, good[1:]...), 0xff), ErrEncoding},
		"a long form of a key":   {slices.Concat(good[:1], []byte{0x18, 1}, good[2:]), ErrEncoding},
		"a key twice":            {slices.Concat([]byte{0xa4, 1, 1}, good[1:]), ErrEncoding},
		"an unknown key":         {slices.Concat([]byte{0xa4}, good[1:], []byte{4, 0}), ErrEncoding},
		"a tag":                  {append([]byte{0xc1}, good...), ErrEncoding},
		"another type":           {[]byte{0x80}, ErrEncoding},
		"null in place of a map": {[]byte{0xa3, 1, 1, 2, 0xf6, 3, 0xf6}, ErrEncoding},
	}
	for name, test := range tests {
		if _, err := parseManifest(test.manifest); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, not %v", name, err, test.want)
		}
	}
}

func TestEveryReleaseThatIsSoundSurvivesItsEncoding(t *testing.T) {
	version := rapid.Custom(func(t *rapid.T) Version {
		n := rapid.Uint16Range(0, 300)
		return V(n.Draw(t, "major"), n.Draw(t, "minor"), n.Draw(t, "patch"))
	})
	rapid.Check(t, func(t *rapid.T) {
		r := sound()
		r.Kind = rapid.SampledFrom([]Kind{Firmware, Capability, Module}).Draw(t, "kind")
		r.Version = version.Draw(t, "version")
		r.SecurityVersion = rapid.Uint32().Draw(t, "security version")
		r.Models = sortedSet(rapid.SliceOfN(rapid.StringMatching(`[A-Z][0-9]{1,5}`), 1, maxList).Draw(t, "models"))
		r.Requires.PoliciesOff = sortedSet(rapid.SliceOfN(rapid.Uint32(), 1, maxList).Draw(t, "policies"))
		r.Notes = rapid.StringMatching(`[ -~\n]{0,200}`).Draw(t, "notes")
		r.NotBefore = rapid.Int64Min(0).Draw(t, "not before")
		r.NotAfter = rapid.Int64Min(r.NotBefore).Draw(t, "not after")
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
		b, err := encode(manifestOf(r))
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseManifest(b)
		if err != nil || !reflect.DeepEqual(back.Release, r) {
			t.Fatalf("%v\n%+v comes back as\n%+v", err, r, back)
		}
	})
}

func sortedSet[T interface{ ~uint32 | ~string }](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}

// FuzzManifest: what is accepted has no other encoding.
func FuzzManifest(f *testing.F) {
	good, err := encode(manifestOf(sound()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			if r := Reason(""); !errors.As(err, &r) {
				t.Errorf("refused without a reason: %v", err)
			}
			return
		}
		if again, err := encode(m); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x is encoded as %x", b, again)
		}
	})
}
