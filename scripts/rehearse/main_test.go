package main

import (
	"encoding/json"
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

func TestCutsOfTheLabAreTakenOver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lab.json")
	r := &report{}
	if err := r.countLabCuts(file); err != nil || r.LabCuts != 0 {
		t.Errorf("without a lab: %d, %v", r.LabCuts, err)
	}
	type check struct {
		Name   string `json:"name"`
		OK     bool   `json:"ok"`
		Detail string `json:"detail"`
	}
	text, err := json.Marshal(map[string][]check{"checks": {
		{"power cuts in an update", true, "60 power cuts, old firmware 31 times"}, {"power cuts in an update", false, "70 power cuts"}, {"unplug", true, "5 power cuts"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.countLabCuts(file); err != nil || r.LabCuts != 60 {
		t.Errorf("%d, %v", r.LabCuts, err)
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
