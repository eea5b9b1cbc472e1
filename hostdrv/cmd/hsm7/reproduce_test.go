package main

import (
	"crypto/hpke"
	"encoding/json"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/rehearse/report"
	"usbhsm7/fuf"
)

// credulous is hsm7 with a defect in the bootloader that it rehearses.
func credulous() {
	a := &app{trusting: func(trust fuf.Trust, models hpke.PrivateKey) boot.Verifier {
		return &believer{Verifier: boot.Trusting(trust, models)}
	}}
	a.main()
}

// believer takes every head for the genuine one that has its length.
type believer struct {
	boot.Verifier
	mu      sync.Mutex
	genuine []byte // the first one
}

// Open implements boot.Verifier.
func (b *believer) Open(head []byte) (*fuf.Update, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(head) == len(b.genuine) {
		head = b.genuine
	}
	u, err := b.Verifier.Open(head)
	if err == nil {
		b.genuine = head
	}
	return u, err
}

// reproduce is a command of scripts: reproduce REPORT STATUS runs the command that the
// report has for the first failure of each phase, as it is printed there, and wants
// that exit status; if something is to be found, what it says must be what the report
// says.
func reproduce(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	var r report.Report
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &r))
	for _, p := range r.Phases {
		if len(p.Failures) == 0 {
			continue
		}
		f := p.Failures[0]
		status := 0
		if err := ts.Exec("sh", "-c", f.Reproduce); err != nil {
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				ts.Fatalf("%s: %v", f.Reproduce, err)
			}
			status = exit.ExitCode()
		}
		found := ts.ReadFile("stdout")
		_, detail, _ := strings.Cut(f.Detail, ": ") // behind the name of a mutant
		if status != want || want != 0 && !strings.Contains(found, detail) {
			ts.Fatalf("%s: exit status %d, want %d; it says %q, the report %q", f.Reproduce, status, want, found, f.Detail)
		}
		ts.Logf("%s: exit status %d", f.Reproduce, status)
	}
	if r.Failed == 0 {
		ts.Fatalf("%s has no failure", args[0])
	}
}
