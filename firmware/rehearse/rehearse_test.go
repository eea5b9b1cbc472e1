package rehearse_test

import (
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
