package lab

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Report is what a run of the lab found: build/lab.json.
type Report struct {
	Commit           string   `json:"commit"`
	Kernel           string   `json:"kernel"`            // release, as uname -r prints it
	ReadySeconds     float64  `json:"ready_seconds"`     // the longest time from starting the emulator until the guest answered
	Seconds          float64  `json:"seconds"`           // the whole run
	Checks           []Check  `json:"checks"`            // in the order in which they ran
	KernelComplaints int      `json:"kernel_complaints"` // how many lines of Complaints
	Complaints       []string `json:"complaints"`        // the kernel's words
}

// Check is one thing that was shown, or not.
type Check struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail"` // figures and observations
}

// Write writes the report to build/lab.json under the module's folder root.
func (r Report) Write(ctx context.Context, root string) error {
	r.Commit = commit(ctx, root)
	r.KernelComplaints = len(r.Complaints)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(root, "build", "lab.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Commit names what is tested, a commit of this module; "unknown" outside a git
// checkout.
func Commit(ctx context.Context) (string, error) {
	root, err := Root()
	return commit(ctx, root), err
}

// commit names what was tested; "unknown" outside a git checkout.
func commit(ctx context.Context, root string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
