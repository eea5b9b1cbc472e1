package policies_test

import (
	"errors"
	"strings"
	"testing"

	"usbhsm7/firmware/rehearse/policies"
)

func TestEveryCombinationIsAnsweredAsTheOracleSays(t *testing.T) {
	r, err := policies.Run(policies.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.Failures {
		if i < 10 {
			t.Errorf("%s: %s", f.Combination, f.Detail)
		}
	}
	if r.Mismatches > 0 || r.Combinations < 10_000 {
		t.Errorf("%d combinations, %d mismatches", r.Combinations, r.Mismatches)
	}
	t.Logf("%d combinations: %v", r.Combinations, r.Reasons)
}

func TestPlantedDefectsAreNoticed(t *testing.T) {
	for _, d := range policies.Defects() {
		if noticed, err := d.Noticed(); err != nil || !noticed {
			t.Errorf("nobody noticed that %s (%v)", d.Name, err)
		}
	}
}

func TestReplayAsksAgain(t *testing.T) {
	const taken = "kind=firmware,model=this,from=exactly,security=same,schema=same,bootloader=this,time=first,client=enough,policy=off,storage=free,code=right,state=idle"
	for _, combination := range []string{taken, strings.Replace(taken, "state=idle", "state=trial", 1)} {
		if detail, err := policies.Replay(combination); err != nil || detail != "" {
			t.Errorf("%s: %q, %v", combination, detail, err)
		}
	}
	for _, none := range []string{"", "kind=firmware", taken + ",more=1", strings.Replace(taken, "firmware", "software", 1)} {
		if _, err := policies.Replay(none); !errors.Is(err, policies.ErrCombination) {
			t.Errorf("%q: %v", none, err)
		}
	}
}
