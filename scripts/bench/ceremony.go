package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ceremonyFile is the ceremony that is measured: every role and domain gets three
// of five iKeys, one of which has a PIN, and the root key is made.
const ceremonyFile = "docs/ceremonies/initialise-root-ca.yaml"

// ceremonyCases measure how long a ceremony takes that a script holds.
func ceremonyCases(plan) ([]benchCase, func(), error) {
	folder, err := os.MkdirTemp("", "bench-ceremony-")
	if err != nil {
		return nil, nil, err
	}
	closeGroup := func() { _ = os.RemoveAll(folder) }
	for _, program := range []string{"./firmware/cmd/usbhsm7", "./hostdrv/cmd/hsm7"} {
		if out, err := exec.Command("go", "build", "-o", folder, program).CombinedOutput(); err != nil {
			closeGroup()
			return nil, nil, fmt.Errorf("build %s: %w\n%s", program, err, out)
		}
	}
	figure := func(plan) (float64, error) { return holdCeremony(folder) }
	return []benchCase{ceiling{"ceremony/initialise 3 of 5", "s", "what is allowed", 1, figure}}, closeGroup, nil
}

// holdCeremony returns how long one takes, in seconds, with a new simulator.
func holdCeremony(folder string) (float64, error) {
	hold := exec.Command(filepath.Join(folder, "hsm7"), "ceremony", "run", ceremonyFile, "--json", "--no-pictures", "--out", filepath.Join(folder, "ceremony"))
	var complaint bytes.Buffer
	hold.Stderr = &complaint
	out, err := hold.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", ceremonyFile, err, &complaint)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var last struct{ Seconds float64 }
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Seconds == 0 {
		return 0, errors.Join(errors.New("hsm7 ceremony run does not tell how long it took"), err)
	}
	return last.Seconds, nil
}
