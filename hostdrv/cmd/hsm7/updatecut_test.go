package main

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/fuf"
)

// cut is a way to end an update too early.
type cut struct {
	name string
	by   func(t *testing.T, w *workplace, host *exec.Cmd)
	want []int // exit statuses that hsm7 may have then; -1: it was killed
}

// cuts lists the ways. An update may also have ended before, or be refused because the
// other host's has taken its place or has ended.
var cuts = []cut{
	{"the host is killed", signalHost(syscall.SIGKILL), []int{0, 5, -1}},
	{"Ctrl-C at the host", signalHost(syscall.SIGINT), []int{0, 3, 5, 130, -1}},
	{"the host is terminated", signalHost(syscall.SIGTERM), []int{0, 3, 5, 130, -1}},
	{"the device is killed", func(_ *testing.T, w *workplace, _ *exec.Cmd) { w.device.kill() }, []int{0, 1, 3, 5, 6}},
	{"the device is terminated", terminateDevice, []int{0, 1, 3, 5, 6}},
	{"another host sends the same", func(_ *testing.T, w *workplace, _ *exec.Cmd) { _, _ = w.apply(w.next).CombinedOutput() }, []int{0, 5, 6}},
	{"another host sends another file", func(_ *testing.T, w *workplace, _ *exec.Cmd) { _, _ = w.apply(1 - w.next).CombinedOutput() }, []int{0, 1, 5, 6}},
}

func signalHost(s os.Signal) func(*testing.T, *workplace, *exec.Cmd) {
	return func(_ *testing.T, _ *workplace, host *exec.Cmd) { _ = host.Process.Signal(s) }
}

func terminateDevice(t *testing.T, w *workplace, _ *exec.Cmd) {
	if err := errors.Join(w.device.cmd.Process.Signal(syscall.SIGTERM), w.device.cmd.Wait()); err != nil {
		t.Errorf("the device: %v", err)
	}
}

// workplace is a device with an audit log, and an operator with two updates for it, which
// may follow each other.
type workplace struct {
	test     *testing.T // at whose end the device is switched off
	folder   string
	programs string
	device   *firmware
	versions [2]string
	next     int // of versions: the one that does not run
}

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	w := &workplace{test: t, folder: t.TempDir(), programs: programs(t), versions: [2]string{"7.9.3", "7.9.4"}}
	code := base64.StdEncoding.EncodeToString(boottest.Code[:])
	for i, version := range w.versions {
		image := boottest.Image(fuf.V(7, 9, uint16(3+i)), 2, 150_000, uint64(i))
		file, err := boottest.SignImage(image, boottest.Release(image))
		err = errors.Join(err,
			os.WriteFile(filepath.Join(w.folder, version+".fuf"), file, 0o600),
			os.WriteFile(filepath.Join(w.folder, version+".txt"), []byte(code), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	w.switchOn()
	for _, line := range []string{
		"role init auditor", "audit domain", "audit config f,s,a,m,k",
		"hsm init --label demo --policy 21=0", "partition create", "partition init --label keys", "role init co",
		"key generate --type aes-256 --label kept",
	} {
		w.hsm7(t, strings.Fields(line)...)
	}
	return w
}

// switchOn starts the device.
func (w *workplace) switchOn() {
	w.test.Helper()
	w.device = powerOn(w.test, filepath.Join(w.programs, "usbhsm7"), "--state-dir", filepath.Join(w.folder, "hsm"),
		"--listen", "unix:"+filepath.Join(w.folder, "bus"), "--log-format", "none")
}

// command returns a command line of hsm7, not started.
func (w *workplace) command(args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(w.programs, "hsm7"), args...)
	c.Dir = w.folder
	c.Env = append(os.Environ(), "HSM7_USBIP="+w.device.address, "HSM7_VIA=usbip", "HSM7_AUDIT_DOMAIN=our-domain",
		"HSM7_AUDITOR_PASSWORD=auditor-password", "HSM7_SO_PASSWORD=so-password", "HSM7_PO_PASSWORD=po-password", "HSM7_CO_PASSWORD=co-password")
	return c
}

// apply returns the command that installs one of the updates.
func (w *workplace) apply(i int) *exec.Cmd {
	return w.command("fuf", "apply", w.versions[i]+".fuf", "--authcode", w.versions[i]+".txt", "--wait", "10s")
}

// hsm7 runs a command and returns what it prints. A device that has just come back may
// have to be asked again.
func (w *workplace) hsm7(t *testing.T, args ...string) string {
	t.Helper()
	for tries := 1; ; tries++ {
		c := w.command(append(args, "--wait", "10s")...)
		out, err := c.CombinedOutput()
		if err == nil {
			return string(out)
		}
		if status := c.ProcessState.ExitCode(); tries == 5 || status != 3 && status != 6 {
			t.Fatalf("hsm7 %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// look wants the device to run one of the versions, to hold its key, and its audit log to
// be whole; it returns the version.
func (w *workplace) look(t *testing.T) (version string) {
	t.Helper()
	shown := w.hsm7(t, "hsm", "firmware", "show", "--json")
	for _, v := range append(w.versions[:], "7.9.2") {
		if strings.Contains(shown, `"running":"`+v+`"`) {
			version = v
		}
	}
	if version == "" {
		t.Errorf("firmware %s", shown)
	}
	if keys := w.hsm7(t, "key", "list"); strings.Count(keys, "kept") != 1 {
		t.Errorf("keys:\n%s", keys)
	}
	w.hsm7(t, "audit", "collect", "--dir", "log")
	if verdict := w.hsm7(t, "audit", "verify", "--dir", "log"); !strings.Contains(verdict, " 0 findings") {
		t.Errorf("audit log: %s", verdict)
	}
	return version
}

// finish has the same command end the update. It is refused if the update runs already,
// or while the device is about to restart in it.
func (w *workplace) finish(t *testing.T) {
	t.Helper()
	var out []byte
	for range 5 {
		if w.look(t) == w.versions[w.next] {
			return
		}
		out, _ = w.apply(w.next).CombinedOutput()
	}
	t.Fatalf("the update to %s does not end: %s", w.versions[w.next], out)
}

// TestAnUpdateOutlivesWhateverEndsIt ends updates at random moments, with the programs
// that people run: afterwards the device runs the old firmware or the new, with its key
// and its audit log, and the same command ends the update.
func TestAnUpdateOutlivesWhateverEndsIt(t *testing.T) {
	w, random := newWorkplace(t), rand.New(rand.NewPCG(7, 11))
	for _, c := range cuts {
		t.Run(c.name, func(t *testing.T) {
			before := w.look(t)
			host := w.apply(w.next)
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Duration(random.IntN(400)) * time.Millisecond)
			c.by(t, w, host)
			if w.device.cmd.ProcessState != nil {
				w.switchOn()
			}
			_ = host.Wait()
			if status := host.ProcessState.ExitCode(); !slices.Contains(c.want, status) {
				t.Errorf("hsm7 ended with exit status %d", status)
			}
			now := w.look(t)
			if now != before && !slices.Contains(w.versions[:], now) {
				t.Errorf("%s runs in the place of %s", now, before)
			}
			w.finish(t)
			w.next = 1 - w.next
		})
	}
}
