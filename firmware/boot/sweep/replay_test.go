package sweep_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/boot/sweep"
)

// keepsKeys is a defect that shows in many crash states.
func keepsKeys() *sweep.Defect {
	all := sweep.Defects()
	i := slices.IndexFunc(all, func(d sweep.Defect) bool { return d.Rule == sweep.Resumed })
	return &all[i]
}

// TestTokenPlaysTheFaultAgain replays every fault that a defect causes, with the
// defect and without.
func TestTokenPlaysTheFaultAgain(t *testing.T) {
	d := keepsKeys()
	r, err := sweep.Run(sweep.Options{Plan: sweep.Fast, Seed: 1, Defect: d, Scenarios: regexp.MustCompile(d.Scenarios)})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) < 5 {
		t.Fatalf("only %d faults", len(r.Faults))
	}
	for _, f := range r.Faults {
		again, err := sweep.Replay(f.Token, d)
		if err != nil || !slices.ContainsFunc(again, func(g sweep.Fault) bool { return g.Rule == f.Rule }) {
			t.Errorf("%v: played again: %v, %v", f, again, err)
		}
		if sound, err := sweep.Replay(f.Token, nil); err != nil && !errors.Is(err, sweep.ErrToken) || len(sound) > 0 {
			t.Errorf("%v: without the defect: %v, %v", f.Token, sound, err)
		}
	}
}

func TestTokensThatAreNoneAreRefused(t *testing.T) {
	for _, token := range []string{
		"", "update", "nothing: cut=p1/prog@0x0#1:before", "floor: cut=p1/prog@0x0#1", "floor: cut=p1/prog@0x0#x:before",
		"floor: cut=p1/prog@0x0#99:before", "floor: cut=p1/prog@0x7777#1:before", "floor: cut=p1/erase@0x0#1:sideways",
		"floor: cut=p1/erase@0x0#1:bits:x", "floor: cut=p1/erase@0x0#1:bits:1:2",
	} {
		if token == "update" {
			continue // a scenario without a cut is one
		}
		if _, err := sweep.Replay(token, nil); !errors.Is(err, sweep.ErrToken) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// FuzzReplay plays tokens that nobody wrote: they are refused, or a sound bootloader
// gets over them.
func FuzzReplay(f *testing.F) {
	for _, token := range []string{
		"floor:", "floor: cut=p1/erase@0x0#1:before", "floor: cut=p1/prog@0x1000#2:bits:17;cut2=p2/sync@0x0#1:before", "rollback: cut=;=;",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if !strings.HasPrefix(token, "floor") {
			return // the others take longer
		}
		faults, err := sweep.Replay(token, nil)
		if len(faults) > 0 || err != nil && !errors.Is(err, sweep.ErrToken) {
			t.Errorf("%q: %v, %v", token, faults, err)
		}
	})
}
