//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usbhsm7/scripts/lab"
)

// checkLimit bounds each check. It is for a loaded machine: on a quiet one the
// slowest takes a few seconds.
const checkLimit = 3 * time.Minute

// check is one thing that a real kernel shows. It returns a detail for the
// report.
type check struct {
	name string
	run  func(context.Context, *testing.T, *bench) string
}

var checks = []check{
	{"usbip list shows the device", stockList},
	{"usbip attaches it, shows the port and detaches it", stockAttach},
	{"lsusb reads every descriptor", stockDescriptors},
	{"lsusb reads every descriptor at SuperSpeed", superDescriptors},
	{"Windows finds its descriptors", microsoftDescriptors},
	{"usbip attaches it again and again", stockAgain},
	{"a second import is refused as busy", stockBusy},
	{"hsm7 attaches through sysfs, and usbip sees the port", ownAttach},
	{"hsm7 attaches what usbip detaches, and the other way round", ownAndStock},
	{"hsm7 says what is missing without the module", ownWithoutModule},
	{"hsm7 says that attaching needs root, and lists ports without", ownAsUser},
	{"the gousb transport passes the tests of every transport", gousbConformance},
	{"the driver passes its tests over gousb", gousbDriver},
	{"hsm7 over gousb does what OpenSSL accepts", scenario},
	{"the main job runs through the kernel and leaves nothing behind", mainJob},
	{"the main job leaves nothing behind when it is interrupted", mainJobInterrupted},
	{"a program in C speaks the protocol with libusb", cExample},
	{"an unplugged device ends pending reads and frees the port", unplugged},
	{"a lost connection ends pending reads and frees the port", cutOff},
}

// suite is a machine and the checks that share it.
type suite struct {
	config func(t *testing.T, folder string) lab.Config // folder is the host's, and goes with the test
	checks []check
	usual  *regexp.Regexp // complaints that tell of no fault; nil: none
}

var suites = []suite{
	{config: simulatorMachine, checks: slices.Concat(checks, attachChecks, busChecks, updateChecks())},
	{config: usbtestMachine, checks: usbtestChecks},
	{config: serverMachine, checks: serverChecks, usual: clientLeft},
}

func simulatorMachine(t *testing.T, _ string) lab.Config { return lab.Config{Files: programs(t)} }

// bench is the machine that the checks of a suite share.
type bench struct {
	*lab.Machine
	folder string // what the machine has of the host
}

// Programs of the project, where the guest has them.
const (
	hsm7Path    = tree + "/build/hsm7"
	probePath   = "/usr/bin/probe"
	gousbPath   = "/usr/bin/gousb.test"
	examplePath = "/usr/bin/example"
)

// TestRealKernel shows on Debian's kernel, with the stock tools, that the device
// is a proper USB device, and that the client gets on with the kernel's own
// servers. It writes build/lab.json.
func TestRealKernel(t *testing.T) {
	began := time.Now()
	var report lab.Report
	for _, s := range suites {
		s.perform(t, &report)
	}
	report.Checks = append(report.Checks, lab.Check{
		Name: "the kernel has nothing to complain about", OK: len(report.Complaints) == 0,
		Detail: fmt.Sprintf("%d complaints", len(report.Complaints)),
	})
	report.Seconds = time.Since(began).Seconds()
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Write(context.Background(), root); err != nil {
		t.Error(err)
	}
}

// perform runs the checks, adding to the report.
func (s suite) perform(t *testing.T, report *lab.Report) {
	r := &run{suite: s, folder: t.TempDir(), report: report}
	for _, c := range s.checks {
		if done, ran := r.perform(t, c); ran {
			report.Checks = append(report.Checks, done)
		}
	}
	if r.bench == nil {
		return
	}
	defer r.bench.Close()
	complaints, err := r.bench.Complaints(context.Background())
	complaints = slices.DeleteFunc(complaints, func(line string) bool { return s.usual != nil && s.usual.MatchString(line) })
	if err != nil {
		complaints = append(complaints, err.Error())
	}
	if len(complaints) > 0 {
		t.Errorf("the kernel complained:\n%s", strings.Join(complaints, "\n"))
	}
	report.Complaints = append(report.Complaints, complaints...)
}

// run is a suite under way. Its machine is booted for the first check that runs.
type run struct {
	suite
	folder string
	report *lab.Report
	tried  bool
	bench  *bench // nil: not booted
}

// perform runs a check, unless the flag -run leaves it out.
func (r *run) perform(t *testing.T, c check) (done lab.Check, ran bool) {
	done = lab.Check{Name: c.name}
	done.OK = t.Run(c.name, func(t *testing.T) {
		ran = true
		b := r.machine(t)
		began := time.Now()
		defer func() { done.Seconds = time.Since(began).Seconds() }()
		ctx, cancel := context.WithTimeout(t.Context(), checkLimit)
		defer cancel()
		done.Detail = c.run(ctx, t, b)
		t.Log(done.Detail)
	})
	return done, ran
}

func (r *run) machine(t *testing.T) *bench {
	t.Helper()
	if r.bench != nil {
		return r.bench
	}
	if r.tried {
		t.Fatal("there is no machine")
	}
	r.tried = true
	m, err := lab.Boot(t.Context(), r.config(t, r.folder))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("kernel %s was ready after %.2f s", m.Release, m.Ready.Seconds())
	r.report.Kernel, r.report.ReadySeconds = m.Release, max(r.report.ReadySeconds, m.Ready.Seconds())
	r.bench = &bench{m, r.folder}
	return r.bench
}

// programs builds what the guest needs of the project.
func programs(t *testing.T) []lab.File {
	t.Helper()
	ctx := t.Context()
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	var files []lab.File
	add := func(where string, source string, err error) {
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, lab.File{Path: where, Source: source})
	}
	hsm7, err := lab.GoBuild(ctx, "./hostdrv/cmd/hsm7")
	add(hsm7Path, hsm7, err)
	probe, err := lab.GoBuild(ctx, "./scripts/lab/probe")
	add(probePath, probe, err)
	gousb, err := lab.GoTest(ctx, "./hostdrv/transport/gousb", "hardware")
	add(gousbPath, gousb, err)
	var sources []string
	for _, name := range []string{"hello.c", "frame.c", "cbor.c"} {
		sources = append(sources, filepath.Join(root, "docs", "examples", name))
	}
	example, err := lab.CC(ctx, sources, "libusb-1.0")
	add(examplePath, example, err)
	return append(files, mainJobFiles(t, root)...)
}

// run runs a program in the guest that must succeed, and returns its output.
func (b *bench) run(ctx context.Context, t *testing.T, argv ...string) lab.Result {
	t.Helper()
	r, err := b.Exec(ctx, argv...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// refused runs a program in the guest that must fail, and returns what it said.
func (b *bench) refused(ctx context.Context, t *testing.T, argv ...string) string {
	t.Helper()
	r, err := b.Exec(ctx, argv...)
	if r.Code == 0 {
		t.Fatalf("%s: succeeded (%v), want it refused", strings.Join(argv, " "), err)
	}
	return r.Stdout + r.Stderr
}

// start starts a program in the guest and waits for its first line.
func (b *bench) start(ctx context.Context, t *testing.T, line string, argv ...string) *lab.Process {
	t.Helper()
	reader, writer := io.Pipe()
	p, err := b.Start(ctx, lab.Command{Argv: argv, Stdout: writer})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(line)+1)
	go func() {
		_, err := p.Wait()
		_ = writer.CloseWithError(fmt.Errorf("ended early: %w", err))
	}()
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != line+"\n" {
		t.Fatalf("%s printed %q (%v), want %q", argv[0], got, err, line)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	return p
}

// Where a vendor-class device at a port of the virtual controllers shows up.
const anyInterface = "/sys/bus/usb/devices/*-[1-9]*:1.0"

// awaitDevice waits until the kernel has configured the device, and returns its
// path on the bus ("1-1") and its node.
func (b *bench) awaitDevice(ctx context.Context, t *testing.T) (local, node string) {
	t.Helper()
	found, err := b.Await(ctx, anyInterface)
	if err != nil {
		t.Fatalf("the kernel has not enumerated the device: %v", err)
	}
	local = strings.TrimSuffix(path.Base(found[0]), ":1.0")
	text, err := b.Get(ctx, path.Join("/sys/bus/usb/devices", local, "uevent"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`(?m)^DEVNAME=(.*)$`).FindSubmatch(text)
	if name == nil {
		t.Fatalf("device %s has no node: %s", local, text)
	}
	return local, path.Join("/dev", string(name[1]))
}

func (b *bench) awaitNoDevice(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := b.AwaitAbsence(ctx, anyInterface); err != nil {
		t.Fatalf("the kernel still has the device: %v", err)
	}
}

// port returns the number of the only port in use, and all that `usbip port`
// prints.
func (b *bench) port(ctx context.Context, t *testing.T) (number, out string) {
	t.Helper()
	out = b.run(ctx, t, "usbip", "port").Stdout
	found := regexp.MustCompile(`(?m)^Port (\d+): <Port in Use>`).FindAllStringSubmatch(out, -1)
	if len(found) != 1 {
		t.Fatalf("usbip port shows %d ports in use, want 1:\n%s", len(found), out)
	}
	return found[0][1], out
}

// noPort fails unless every port is free.
func (b *bench) noPort(ctx context.Context, t *testing.T) {
	t.Helper()
	if out := b.run(ctx, t, "usbip", "port").Stdout; strings.Contains(out, "<Port in Use>") {
		t.Errorf("a port is still in use:\n%s", out)
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
