package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCanaryFails(t *testing.T) {
	if err := canary(1); err == nil || !strings.Contains(err.Error(), "findings") {
		t.Errorf("a bootloader that is wrong passed: %v", err)
	}
}

func TestMutantsAndCombinationsAreCounted(t *testing.T) {
	r := &report{Findings: []string{}}
	if err := r.spoil(true); err != nil {
		t.Fatal(err)
	}
	if r.FileMutants < 1000 || r.Accepted > 0 || r.Writes > 0 || len(r.Findings) > 0 {
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
