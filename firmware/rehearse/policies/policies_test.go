package policies_test

import (
	"errors"
	"strings"
	"testing"

	"usbhsm7/firmware/rehearse/policies"
)

// TestCombinationsAreAnsweredAsTheOracleSays asks about one combination in seven; make
// rehearsal asks about all.
func TestCombinationsAreAnsweredAsTheOracleSays(t *testing.T) {
	every, want := 7, 100_000
	if testing.Short() {
		every, want = 997, 900
	}
	r, err := policies.Run(policies.Options{Every: every})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.Failures {
		if i < 10 {
			t.Errorf("%s: %s", f.Combination, f.Detail)
		}
	}
	if r.Mismatches > 0 || r.Combinations < want {
		t.Errorf("%d combinations, %d mismatches", r.Combinations, r.Mismatches)
	}
	for _, p := range r.Products {
		if !testing.Short() && p.Answers[policies.Taken] == 0 || len(p.Answers) < 5 {
			t.Errorf("%s: only %v", p.Name, p.Answers)
		}
		t.Logf("%s: %d combinations: %v", p.Name, p.Combinations, p.Answers)
	}
}

func TestPlantedDefectsAreNoticed(t *testing.T) {
	for _, d := range policies.Defects() {
		f, err := d.Find()
		if err != nil || f == nil {
			t.Errorf("nobody noticed that %s (%v)", d.Name, err)
			continue
		}
		findAgain(t, &d, f)
	}
}

// findAgain has the combination of a failure find the defect again, and nothing where
// there is none.
func findAgain(t *testing.T, d *policies.Defect, f *policies.Failure) {
	t.Helper()
	if detail, err := d.Replay(f.Combination); err != nil || detail != f.Detail {
		t.Errorf("%s: %s: again %q, %v, was %q", d.Name, f.Combination, detail, err, f.Detail)
	}
	if detail, err := policies.Replay(f.Combination); err != nil || detail != "" {
		t.Errorf("%s: %s: without it %q, %v", d.Name, f.Combination, detail, err)
	}
}

func TestReplayAsksAgain(t *testing.T) {
	const taken = "bootloader:kind=firmware,model=this,from=exactly,security=same,schema=same,bootloader=this,time=first,client=enough,policy=off,storage=free,code=right,state=idle"
	const refused = "orders:slots=rolled-back,modules=never,floor=none,incoming=none,transport=off,admin=so,user=nobody,session=admin,command=rollback,time=in"
	for _, combination := range []string{taken, strings.Replace(taken, "state=idle", "state=trial", 1), refused} {
		if detail, err := policies.Replay(combination); err != nil || detail != "" {
			t.Errorf("%s: %q, %v", combination, detail, err)
		}
	}
	for _, none := range []string{"", "kind=firmware", taken + ",more=1", strings.Replace(taken, "firmware", "software", 1), strings.Replace(taken, "bootloader", "orders", 1)} {
		if _, err := policies.Replay(none); !errors.Is(err, policies.ErrCombination) {
			t.Errorf("%q: %v", none, err)
		}
	}
}
