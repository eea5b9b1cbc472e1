package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usbhsm7/firmware/rehearse"
)

func TestCanaryFails(t *testing.T) {
	if err := canary(1); err == nil || !strings.Contains(err.Error(), "findings") {
		t.Errorf("a bootloader that is wrong passed: %v", err)
	}
}

func TestMutantsAndCombinationsAreCounted(t *testing.T) {
	r := &report{Findings: []string{}}
	if err := errors.Join(r.spoil(true), r.combine(true)); err != nil {
		t.Fatal(err)
	}
	if r.FileMutants < 1000 || r.PolicyCombinations < 5000 || r.PolicyMismatches > 0 || r.Accepted > 0 || r.Writes > 0 || len(r.Findings) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestFiguresOfTheLabAreTakenOver(t *testing.T) {
	cuts := func(r *report, file string) (float64, error) {
		err := r.countLabCuts(file)
		return float64(r.LabCuts), err
	}
	speed := func(r *report, file string) (float64, error) {
		err := r.noteUpdateSpeed(file)
		return r.UpdateOfBulk, err
	}
	const checks = `{"checks": [
		{"name": "power cuts in an update", "ok": true, "detail": "60 power cuts, old firmware 31 times"},
		{"name": "power cuts in an update", "ok": false, "detail": "70 power cuts"},
		{"name": "unplug", "ok": true, "detail": "5 power cuts"}]}`
	const results = `{"results": [
		{"name": "one-processor/tcp/bulk-out-16k/depth=16", "ratio": 1.2},
		{"name": "one-processor/tcp/update-1m", "ratio": 0.61}]}`
	for name, test := range map[string]struct {
		take   func(*report, string) (float64, error)
		text   string // of the file; empty: there is none
		want   float64
		broken bool
	}{
		"cuts":                   {cuts, checks, 60, false},
		"cuts, without a lab":    {cuts, "", 0, false},
		"cuts, half a report":    {cuts, checks[:50], 0, true},
		"speed":                  {speed, results, 0.61, false},
		"speed, never measured":  {speed, "", 0, false},
		"speed, half a report":   {speed, results[:50], 0, true},
		"speed, short benchmark": {speed, `{"results": []}`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "lab.json")
			if test.text != "" {
				if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := test.take(&report{}, file); got != test.want || (err != nil) != test.broken {
				t.Errorf("%v, %v; want %v, broken %v", got, err, test.want, test.broken)
			}
		})
	}
}

// TestSameSeedGivesTheSameBytes rehearses a part of everything twice, and a device that
// is known to be wrong besides, so that there are findings.
func TestSameSeedGivesTheSameBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rehearsal.json")
	rehearsal := func() string {
		r := &report{Seed: 3, Findings: []string{}}
		for _, rig := range []rehearse.Rig{rehearse.Core(), rehearse.Assembled(), rehearse.Defects()[0].Rig()} {
			o := rehearse.Options{Rig: rig, Plan: rehearse.Fast, Seed: r.Seed, Scenes: regexp.MustCompile("^(login of the|update of the firmware$)"), Progress: progress}
			if err := r.sweep(o); err != nil {
				t.Fatal(err)
			}
		}
		err := errors.Join(r.sweepBoot(r.Seed, true, regexp.MustCompile("^(rollback|floor)$")), r.spoil(true), r.disturb(true), r.write(file))
		text, err2 := os.ReadFile(file)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if len(r.Findings) == 0 || r.FreeGuesses == 0 || r.TransferFaults == 0 {
			t.Errorf("%+v", r)
		}
		return string(text)
	}
	if one, two := rehearsal(), rehearsal(); one != two {
		t.Errorf("%s\n%s", one, two)
	}
}
