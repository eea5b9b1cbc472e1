package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheCIPageRunsAsItStands runs the first shell block of docs/ci.md.
func TestTheCIPageRunsAsItStands(t *testing.T) {
	page, err := os.ReadFile("../../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```sh\n")
	script, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/ci.md has no shell block")
	}
	binaries := filepath.Dir(buildFirmware(t))
	program, err := os.Executable() // hsm7, by its name: see TestMain
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(binaries, "hsm7")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "signature is genuine") {
		t.Errorf("%v\n%s", err, out)
	}
}
