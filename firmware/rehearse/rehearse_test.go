package rehearse_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/rehearse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEveryCommandHasAScene fails for rows of the command table that nobody
// rehearses.
func TestEveryCommandHasAScene(t *testing.T) {
	for _, row := range rehearse.Missing() {
		t.Errorf("%s (%#04x) has no scene: add one to firmware/rehearse/scenes*.go that plays it, "+
			"or one with Quiet that says why it writes nothing (package comment: A new command)", row.Name, uint32(row.Code))
	}
	names := map[string]bool{}
	for _, s := range rehearse.Scenes() {
		if s.Name == "" || names[s.Name] {
			t.Errorf("the scene of %s has no name, or that of another: %q", s.Code, s.Name)
		}
		names[s.Name] = true
	}
}

func TestPowerCutsOfTheCore(t *testing.T)   { rehearsed(t, rehearse.Core()) }
func TestPowerCutsOfTheDevice(t *testing.T) { rehearsed(t, rehearse.Assembled()) }

func rehearsed(t *testing.T, rig rehearse.Rig) {
	r, err := rehearse.Run(rehearse.Options{Rig: rig, Plan: rehearse.Fast, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, f := range r.Faults {
		if i < 20 {
			text.WriteString(f.String() + "\n")
		}
	}
	t.Logf("%d scenes, %d crash states, %d faults", r.Scenes, r.CrashStates, len(r.Faults))
	if len(r.Faults) > 0 {
		t.Error(text.String())
	}
	if r.CrashStates < 10*r.Scenes {
		t.Error("hardly any crash states")
	}
}

// TestPlantedDefectsAreNoticed is the test of the tester.
func TestPlantedDefectsAreNoticed(t *testing.T) {
	for _, d := range rehearse.Defects() {
		r, err := rehearse.Run(rehearse.Options{Rig: d.Rig(), Plan: rehearse.Fast, Seed: 1, Scenes: regexp.MustCompile(d.Scenes)})
		switch {
		case err != nil:
			t.Errorf("%s: %v", d.Name, err)
		case r.Count(d.Kind) == 0:
			t.Errorf("nobody noticed that %s; found %v", d.Name, r.Faults)
		}
	}
}

// TestSameSeedGivesTheSameReport has several scenes with faults, which are over in no
// order, and the assembled device, in which goroutines are at work.
func TestSameSeedGivesTheSameReport(t *testing.T) {
	late := rehearse.Defects()[0]
	for _, c := range []struct {
		rig    rehearse.Rig
		scenes string
	}{
		{late.Rig(), late.Scenes},
		{rehearse.Assembled(), "^(login of the SO|generation of a key|chunk of an update|update of the firmware)$"},
	} {
		report := func() string {
			r, err := rehearse.Run(rehearse.Options{Rig: c.rig, Plan: rehearse.Fast, Seed: 5, Scenes: regexp.MustCompile(c.scenes)})
			if err != nil {
				t.Fatal(err)
			}
			r.Took = 0
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if one, two := report(), report(); one != two {
			t.Errorf("%s:\n%s\n%s", c.rig.Name, one, two)
		}
	}
}
