package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/usbip"
)

// firstPasswordsStay turns HSM policy 21 off: nobody has to change the password
// that another role has set.
var firstPasswordsStay = []command.PolicySetting{{ID: 21, Value: 0}}

// TestAcknowledgedKeysSurviveKill9 kills the real firmware binary at random
// moments while keys are made and destroyed, and starts it again on the same
// state: every key whose making was acknowledged is there, every one whose
// destruction was acknowledged is not.
func TestAcknowledgedKeysSurviveKill9(t *testing.T) {
	binary := buildFirmware(t)
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	state := t.TempDir()
	m := &maker{labels: map[string]bool{}}
	random := rand.New(rand.NewPCG(7, 7))
	for round := range rounds {
		f := powerOn(t, binary, "--state-dir", state, "--log-format", "none")
		s := f.logIn(t, round == 0)
		m.check(t, s)
		time.AfterFunc(time.Duration(20+random.IntN(150))*time.Millisecond, func() { _ = f.cmd.Process.Kill() })
		m.work(t, s, round)
		_ = f.cmd.Wait()
	}
	if len(m.labels) == 0 {
		t.Error("no key was made")
	}
}

// TestTheLogHoldsNoSecrets has the firmware log all it can while passwords,
// right and wrong, and plaintext go through it.
func TestTheLogHoldsNoSecrets(t *testing.T) {
	f := powerOn(t, buildFirmware(t), "--ephemeral", "--log-level", "debug", "--log-format", "json")
	keys := f.logIn(t, true)
	if err := session(t, f.device, command.SlotAdmin).Login(t.Context(), command.RoleSO, []byte("wrong-password")); err == nil {
		t.Error("a wrong password was accepted")
	}
	key, err := keys.GenerateKey(t.Context(), command.Mechanism{Type: command.MechAESKeyGen}, command.Template{command.AttrValueLen: uint64(32)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Encrypt(t.Context(), command.Mechanism{Type: command.MechAESGCM}, key, []byte("secret plaintext")); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Error(err)
	}
	log := f.stderr.String()
	for _, secret := range []string{"-password", "secret plaintext"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, "device ready") {
		t.Errorf("there is no log:\n%s", log)
	}
}

// builds is where programs are built for the tests of this package.
var builds string

// withBuilds runs tests while builds exists.
type withBuilds struct{ tests testscript.TestingM }

// Run implements testscript.TestingM.
func (w withBuilds) Run() int {
	var err error
	if builds, err = os.MkdirTemp("", "hsm7"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(builds)
	return w.tests.Run()
}

// firmwareBinary builds the firmware. To link it takes longer than most tests, so
// they share it.
var firmwareBinary = sync.OnceValues(func() (binary string, err error) {
	binary = filepath.Join(builds, "usbhsm7")
	out, err := exec.Command("go", "build", "-o", binary, "usbhsm7/firmware/cmd/usbhsm7").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build the firmware: %w\n%s", err, out)
	}
	return binary, err
})

// buildFirmware returns the path of the firmware.
func buildFirmware(t *testing.T) (binary string) {
	t.Helper()
	binary, err := firmwareBinary()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// programs returns a folder with usbhsm7 and hsm7, for processes of their own.
func programs(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	host, err := os.Executable() // hsm7, by its name: see TestMain
	err = errors.Join(err,
		os.Symlink(host, filepath.Join(folder, "hsm7")),
		os.Symlink(buildFirmware(t), filepath.Join(folder, "usbhsm7")))
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// firmware is a running usbhsm7.
type firmware struct {
	cmd     *exec.Cmd
	stderr  bytes.Buffer // to be read when the process has ended
	address string
	device  *hostdrv.Device // set by open and logIn
}

func powerOn(t *testing.T, binary string, flags ...string) *firmware {
	t.Helper()
	f, err := start(binary, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.kill)
	return f
}

// start starts binary and waits until it is ready.
func start(binary string, flags ...string) (*firmware, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	f := &firmware{cmd: exec.Command(binary, append([]string{"--listen", "127.0.0.1:0", "--ready-fd", "3"}, flags...)...)}
	f.cmd.ExtraFiles, f.cmd.Stderr = []*os.File{writer}, &f.stderr
	if err := errors.Join(f.cmd.Start(), writer.Close()); err != nil {
		return nil, err
	}
	var ready struct{ Listen string }
	if err := json.NewDecoder(reader).Decode(&ready); err != nil {
		f.kill()
		return nil, fmt.Errorf("the firmware did not start: %w\n%s", err, f.stderr.String())
	}
	f.address = ready.Listen
	return f, nil
}

// kill ends the process, if it has not ended, as SIGKILL does.
func (f *firmware) kill() {
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
}

// logIn returns a session with the CO logged in, after setting a new device up.
func (f *firmware) logIn(t *testing.T, isNew bool) *hostdrv.Session {
	t.Helper()
	f.open(t)
	if isNew {
		setUp(t, f.device)
	}
	keys := session(t, f.device, command.SlotPartition)
	if err := keys.Login(t.Context(), command.RoleCO, []byte("co-password")); err != nil {
		t.Fatal(err)
	}
	return keys
}

// open opens the device.
func (f *firmware) open(t *testing.T) {
	t.Helper()
	d, err := hostdrv.Dial(t.Context(), usbip.New(f.address), transport.Selector{}, hostdrv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	f.device = d
}

func session(t *testing.T, d *hostdrv.Device, slot command.Slot) *hostdrv.Session {
	t.Helper()
	s, err := d.OpenSession(t.Context(), slot, hostdrv.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// setUp initialises a new device, its partition and the CO.
func setUp(t *testing.T, d *hostdrv.Device) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	admin := session(t, d, command.SlotAdmin)
	must(admin.InitHSM(ctx, command.HSMInitRequest{Label: "hsm", Password: []byte("so-password"), Policies: firstPasswordsStay}))
	must(admin.Login(ctx, command.RoleSO, []byte("so-password")))
	must(admin.CreatePartition(ctx))
	keys := session(t, d, command.SlotPartition)
	must(keys.InitPartition(ctx, command.PartitionInitRequest{Label: "keys", Password: []byte("po-password")}))
	must(keys.Login(ctx, command.RolePO, []byte("po-password")))
	must(keys.InitRole(ctx, command.RoleCO, []byte("co-password")))
	must(keys.Close(ctx))
}

// maker makes and destroys keys and remembers what was acknowledged.
type maker struct {
	labels map[string]bool // true: made; false: destroyed
	limbo  string          // the label whose command had no answer: check settles which way it went
}

// work goes on until the device is gone.
func (m *maker) work(t *testing.T, s *hostdrv.Session, round int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := 0; ; i++ {
		m.limbo = fmt.Sprintf("key-%d-%d", round, i)
		template := command.Template{command.AttrToken: true, command.AttrLabel: m.limbo, command.AttrValueLen: uint64(32)}
		handle, err := s.GenerateKey(ctx, command.Mechanism{Type: command.MechAESKeyGen}, template)
		if m.ended(t, err) {
			return
		}
		m.labels[m.limbo] = true
		if i%3 > 0 {
			continue
		}
		if m.ended(t, s.Destroy(ctx, handle)) {
			return
		}
		m.labels[m.limbo] = false
	}
}

// ended reports whether the device is gone.
func (m *maker) ended(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, transport.ErrDisconnected) {
		t.Fatal(err)
	}
	return err != nil
}

// check compares the device's keys with what was acknowledged.
func (m *maker) check(t *testing.T, s *hostdrv.Session) {
	t.Helper()
	for label, want := range m.labels {
		found, err := s.Find(t.Context(), command.Template{command.AttrLabel: label})
		if err != nil {
			t.Fatal(err)
		}
		got := len(found) == 1
		if got != want && label != m.limbo {
			t.Errorf("%s: found %d times, acknowledged as there: %v", label, len(found), want)
		}
		m.labels[label] = got
	}
}
