package fuf_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/fuf"
)

func TestVersionsAreThreeNumbers(t *testing.T) {
	for _, text := range []string{"", "7", "7.9", "7.9.2.1", "7.9.02", "7.9.-2", "7.9.65536", "v7.9.2", "7.9. 2", "7..2"} {
		if v, err := fuf.ParseVersion(text); err == nil {
			t.Errorf("%q is read as %s", text, v)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := fuf.V(rapid.Uint16().Draw(t, "major"), rapid.Uint16().Draw(t, "minor"), rapid.Uint16().Draw(t, "patch"))
		if back, err := fuf.ParseVersion(v.String()); err != nil || back != v {
			t.Fatalf("%s is read as %s: %v", v, back, err)
		}
	})
}

func TestVersionsAreComparedAsNumbers(t *testing.T) {
	rising := []fuf.Version{fuf.V(0, 0, 0), fuf.V(7, 7, 2), fuf.V(7, 9, 2), fuf.V(7, 9, 10), fuf.V(7, 10, 0), fuf.V(10, 0, 0)}
	for i, v := range rising {
		for j, w := range rising {
			if got := v.Compare(w); got != sign(i-j) {
				t.Errorf("%s and %s compare as %d", v, w, got)
			}
			if in := (fuf.Range{From: rising[1], To: w}).Contains(v); in != (i >= 1 && i <= j) {
				t.Errorf("%s in the range from %s to %s: %v", v, rising[1], w, in)
			}
		}
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestACodeIsSixteenCharacters(t *testing.T) {
	code, err := fuf.ParseAuthcode(" 5/Rd79MAGd/G9EY5\n")
	if err != nil || code.Text() != "5/Rd79MAGd/G9EY5" {
		t.Errorf("%s %v", code.Text(), err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b"} {
		if got := fmt.Sprintf(verb, code); got != "(authentication code)" {
			t.Errorf("a code prints itself with %s: %s", verb, got)
		}
	}
	for _, text := range []string{"", "5/Rd79MAGd/G9EY", "5/Rd79MAGd/G9EY55", "5/Rd79MAGd/G9E==", "5/Rd79MA\nGd/G9EY5", "5_Rd79MAGd_G9EY5"} {
		if _, err := fuf.ParseAuthcode(text); reason(err) != fuf.ErrAuthcode {
			t.Errorf("%q: %v", text, err)
		}
	}
}
