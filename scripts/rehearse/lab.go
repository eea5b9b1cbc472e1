package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// countLabCuts takes over how often the lab has cut the power of an update under a
// real kernel, if it has run.
func (r *report) countLabCuts(file string) error {
	var lab struct {
		Checks []struct {
			Name   string `json:"name"`
			OK     bool   `json:"ok"`
			Detail string `json:"detail"`
		} `json:"checks"`
	}
	if err := takeOver(file, &lab); err != nil {
		return err
	}
	for _, c := range lab.Checks {
		var cuts int
		if n, _ := fmt.Sscanf(c.Detail, "%d power cuts", &cuts); n == 1 && c.OK && strings.Contains(c.Name, "update") {
			r.LabCuts += cuts
		}
	}
	return nil
}

// noteUpdateSpeed takes over how fast an update is through a real kernel, if that was
// measured.
func (r *report) noteUpdateSpeed(file string) error {
	var bench struct {
		Results []struct {
			Name  string  `json:"name"`
			Ratio float64 `json:"ratio"`
		} `json:"results"`
	}
	if err := takeOver(file, &bench); err != nil {
		return err
	}
	for _, c := range bench.Results {
		if path.Base(c.Name) == "update-1m" {
			r.UpdateOfBulk = c.Ratio
		}
	}
	return nil
}

// takeOver reads the report of another run, and leaves v as it is if there is none.
func takeOver(file string, v any) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
