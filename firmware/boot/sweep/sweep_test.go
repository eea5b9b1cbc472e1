package sweep_test

import (
	"encoding/json"
	"flag"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/boot/sweep"
)

var long = flag.Bool("long", false, "cut every scenario twice, and one without remembering what was proven")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run sweeps, and reports faults as errors.
func run(t *testing.T, o sweep.Options) *sweep.Report {
	t.Helper()
	r, err := sweep.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, f := range r.Faults {
		if i < 5 {
			text.WriteString(f.String() + "\n")
		}
	}
	if len(r.Faults) > 0 {
		t.Error(text.String())
	}
	for _, s := range r.Scenarios {
		t.Logf("%s: %d operations, %d crash states", s.Name, s.Operations, s.CrashStates)
	}
	t.Logf("%d crash states, %d different ones", r.CrashStates, r.Distinct)
	return r
}

// TestEverySecondCutLeavesOldOrNewFirmware cuts at every operation, and again at
// every operation of each recovery.
func TestEverySecondCutLeavesOldOrNewFirmware(t *testing.T) {
	scenarios := regexp.MustCompile("^(update|rollback|floor)$")
	want := 145_000
	if testing.Short() {
		scenarios, want = regexp.MustCompile("^(rollback|floor)$"), 200
	}
	if r := run(t, sweep.Options{Plan: sweep.Fast, Seed: 1, Scenarios: scenarios}); r.CrashStates < want {
		t.Errorf("only %d crash states", r.CrashStates)
	}
}

// TestEveryCutLeavesOldOrNewFirmware cuts once, in more ways.
func TestEveryCutLeavesOldOrNewFirmware(t *testing.T) {
	o, want := sweep.Options{Plan: sweep.Single, Seed: 2}, 5000
	if testing.Short() {
		o.Scenarios, want = regexp.MustCompile("^first update$"), 900
	}
	r := run(t, o)
	if r.CrashStates < want || r.Refusals == 0 || r.Decayed == 0 {
		t.Errorf("hardly anything was tried: %d crash states, %d refusals", r.CrashStates, r.Refusals)
	}
}

// TestLongSweep is for when there is time.
func TestLongSweep(t *testing.T) {
	if !*long {
		t.Log("not without -long")
		return
	}
	if r := run(t, sweep.Options{Plan: sweep.Fast, Seed: 3}); r.CrashStates < 1_000_000 {
		t.Errorf("only %d crash states", r.CrashStates)
	}
	plan := sweep.Fast
	plan.Memoless = true
	run(t, sweep.Options{Plan: plan, Seed: 4, Scenarios: regexp.MustCompile("^rollback$|^floor$|^update$")})
}

// TestPlantedDefectsAreNoticed is the test of the tester.
func TestPlantedDefectsAreNoticed(t *testing.T) {
	quick := regexp.MustCompile("^rollback|floor")
	for _, d := range sweep.Defects() {
		if testing.Short() && !quick.MatchString(d.Scenarios) {
			continue
		}
		r, err := d.Sweep(1)
		switch {
		case err != nil:
			t.Errorf("%s: %v", d.Name, err)
		case r.Count(d.Rule) == 0:
			t.Errorf("nobody noticed that %s; found %d faults: %v", d.Name, len(r.Faults), r.Faults[:min(3, len(r.Faults))])
		}
	}
}

func TestReportDoesNotDependOnTheNumberOfWorkers(t *testing.T) {
	report := func(workers int) string {
		r, err := sweep.Run(sweep.Options{Plan: sweep.Fast, Seed: 7, Workers: workers, Scenarios: regexp.MustCompile("^(rollback|floor)$"), Defect: keepsKeys()})
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if one, four := report(1), report(4); one != four {
		t.Errorf("by one worker: %s\nby four: %s", one, four)
	}
}
