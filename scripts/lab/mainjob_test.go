//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"usbhsm7/scripts/lab"
)

// tree is where the guest has what a checkout has after make build, as far as
// scripts/run needs it.
const tree = "/usbhsm7"

// mainJobFiles are that tree, built from this checkout at root, and the host's
// programs that scripts/run calls and busybox does not have. hsm7Path is in the
// tree already.
func mainJobFiles(t *testing.T, root string) []lab.File {
	t.Helper()
	firmware, err := lab.GoBuild(t.Context(), "./firmware/cmd/usbhsm7")
	if err != nil {
		t.Fatal(err)
	}
	files := []lab.File{
		{Path: path.Join(tree, "build", "usbhsm7"), Source: firmware},
		{Path: path.Join(tree, "README.md"), Source: filepath.Join(root, "README.md")},
		{Path: path.Join(tree, "scripts", "run"), Source: filepath.Join(root, "scripts", "run")},
		{Path: path.Join(tree, "docs", "ceremonies", "first-run.yaml"), Source: filepath.Join(root, "docs", "ceremonies", "first-run.yaml")},
		{Path: "/usr/lib/ssl/openssl.cnf", Source: "/usr/lib/ssl/openssl.cnf"},
	}
	for _, name := range []string{"bash", "gzip", "openssl"} {
		source, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, lab.File{Path: path.Join("/bin", name), Source: source})
	}
	return files
}

// mainJob runs scripts/run between HSMs that are none of its business.
func mainJob(ctx context.Context, t *testing.T, b *bench) string {
	for range 3 {
		s := plugIn(t)
		b.run(ctx, t, hsm7Path, "attach", "--usbip", s.address)
	}
	b.run(ctx, t, hsm7Path, "detach", "1") // in whatever order devices are listed, a bystander comes first
	if err := b.AwaitAbsence(ctx, "/sys/bus/usb/devices/1-2"); err != nil {
		t.Fatal(err)
	}
	before := b.footprint(ctx, t)

	r := b.run(ctx, t, path.Join(tree, "scripts", "run"))
	attached := regexp.MustCompile(`attached through the kernel \(vhci_hcd port 1\)`).FindAllString(r.Stdout, -1)
	if len(attached) != 2 || r.Stderr != "" {
		t.Errorf("attached through the kernel %d times, want once for each of 2 power cycles:\n%s%s", len(attached), r.Stdout, r.Stderr)
	}
	want(t, r.Stdout, `server\.pem: OK`, `(?s)Verified OK.*Verified OK`, `port 1 detached`, `All 13 steps held`)
	if after := b.footprint(ctx, t); after != before {
		t.Errorf("it left something behind; before:\n%safter:\n%s", before, after)
	}
	for _, bystander := range []string{"1-1", "1-3"} {
		want(t, b.run(ctx, t, hsm7Path, "info", "--via", "usb", "--path", bystander).Stdout, `HSM +factory`)
	}
	return fmt.Sprintf("attached through the kernel %d times, took %.1f s", len(attached), r.Took.Seconds())
}

// mainJobInterrupted presses Ctrl-C in the middle of scripts/run, which had to
// load the module.
func mainJobInterrupted(ctx context.Context, t *testing.T, b *bench) string {
	b.run(ctx, t, "modprobe", "-r", "vhci_hcd") // and what it alone needs
	b.run(ctx, t, "rm", "-rf", "/run/vhci_hcd") // what earlier checks noted there
	before := b.footprint(ctx, t)
	seen := newWatch(`\[ 3/13\]`)
	job, err := b.Start(ctx, lab.Command{
		Argv:   []string{"sh", "-c", "echo group $$; exec " + path.Join(tree, "scripts", "run")},
		Stdout: seen,
	})
	if err != nil {
		t.Fatal(err)
	}
	said := seen.wait(ctx, t)
	if b.footprint(ctx, t) == before {
		t.Error("a running job has no footprint: this check is blind")
	}
	group := regexp.MustCompile(`group (\d+)\n`).FindStringSubmatch(said)[1]
	began := time.Now()
	b.run(ctx, t, "kill", "-INT", "-"+group)
	r, _ := job.Wait() // the code is in r too
	took := time.Since(began)
	if r.Code != 130 {
		t.Errorf("exit code %d, want 130 (SIGINT):\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	want(t, r.Stdout, `attached through the kernel \(vhci_hcd port 0\)`)
	if after := b.footprint(ctx, t); after != before {
		t.Errorf("it left something behind; before:\n%safter:\n%s", before, after)
	}
	b.run(ctx, t, "modprobe", "vhci_hcd")
	b.noPort(ctx, t)
	return fmt.Sprintf("exit code %d, all undone in %s", r.Code, milliseconds(took))
}

// footprint lists what a program can leave behind: files, processes, ports and
// modules.
func (b *bench) footprint(ctx context.Context, t *testing.T) string {
	t.Helper()
	return b.run(ctx, t, "sh", "-c", `
		find `+tree+` /tmp /run /root -type f | sort
		ps -o comm,args | grep -e scripts/run -e build/ -e openssl | grep -v grep
		usbip port 2>&1 # an error while the module is not loaded
		lsmod | cut -d' ' -f1 | sort`).Stdout
}

// watch is a writer that tells when what was written matches a pattern.
type watch struct {
	pattern *regexp.Regexp
	matched chan struct{}
	mu      sync.Mutex
	text    strings.Builder
}

func newWatch(pattern string) *watch {
	return &watch{pattern: regexp.MustCompile(pattern), matched: make(chan struct{})}
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	had := w.pattern.MatchString(w.text.String())
	w.text.Write(p)
	if !had && w.pattern.MatchString(w.text.String()) {
		close(w.matched)
	}
	return len(p), nil
}

// wait returns what was written, once it matches.
func (w *watch) wait(ctx context.Context, t *testing.T) string {
	t.Helper()
	select {
	case <-w.matched:
	case <-ctx.Done():
		t.Fatalf("nothing matches %q: %v", w.pattern, ctx.Err())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
