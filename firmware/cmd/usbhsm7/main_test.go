package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/control"
	"usbhsm7/firmware/flash"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/usb"
)

// patience bounds the life of each process; nothing takes nearly as long.
const patience = 5 * time.Minute

// asCommand makes the test binary behave as the command itself.
const asCommand = "USBHSM7_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a running usbhsm7.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
	ready  control.Status
}

// program returns the command, not started.
func program(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0], args...)}
	p.Env = append(os.Environ(), asCommand+"=1")
	p.Stderr = &p.stderr
	return p
}

// start starts the command and waits until it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := program(t, append([]string{"--listen", "127.0.0.1:0", "--ready-fd", "3", "--log-format", "json"}, args...)...)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	p.ExtraFiles = []*os.File{writer}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	_ = writer.Close()
	if err := json.NewDecoder(reader).Decode(&p.ready); err != nil {
		_ = p.Wait()
		t.Fatalf("not ready: %v\n%s", err, p.stderr.String())
	}
	return p
}

// stop sends SIGTERM and returns the exit status.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

func TestReadyMeansThatTheDeviceIsListed(t *testing.T) {
	p := start(t, "--ephemeral", "--serial", "ABC123", "--usb-id", "1209:0007", "--bus-id", "3-4")
	if p.ready.PID != p.Process.Pid || p.ready.Serial != "ABC123" || p.ready.BusID != "3-4" || p.ready.USBID != "1209:0007" {
		t.Errorf("ready line %+v", p.ready)
	}
	devices, err := client.List(t.Context(), p.ready.Listen)
	if err != nil || len(devices) != 1 {
		t.Fatalf("devices %v, %v", devices, err)
	}
	if d := devices[0]; d.BusID != "3-4" || d.Identity.Vendor != 0x1209 || d.Identity.Product != 7 {
		t.Errorf("device %+v", d)
	}
	if status := p.stop(t); status != 0 {
		t.Errorf("exit status %d after SIGTERM\n%s", status, p.stderr.String())
	}
}

func TestSpeedOfTheConnectionIsChosen(t *testing.T) {
	for want, flags := range map[usb.Speed][]string{
		usb.SpeedFull:  {"--speed", "full"},
		usb.SpeedHigh:  nil,
		usb.SpeedSuper: {"--speed", "super"},
	} {
		p := start(t, append(flags, "--ephemeral")...)
		devices, err := client.List(t.Context(), p.ready.Listen)
		if err != nil || len(devices) != 1 || devices[0].Speed != want {
			t.Errorf("%v: devices %+v, %v", want, devices, err)
		}
	}
}

func TestUnixSocketIsTheOwnersAndGoesWithTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := start(t, "--ephemeral", "--listen", "unix:"+path)
	if first.ready.Listen != "unix:"+path {
		t.Errorf("ready line %+v", first.ready)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v, want mode 0600", info, err)
	}
	second := program(t, "--ephemeral", "--listen", "unix:"+path)
	_ = second.Run()
	if status := second.ProcessState.ExitCode(); status != 5 || !strings.Contains(second.stderr.String(), "--listen") {
		t.Errorf("a second one on the same path: exit status %d\n%s", status, second.stderr.String())
	}
	if devices, err := client.List(t.Context(), first.ready.Listen); err != nil || len(devices) != 1 {
		t.Errorf("devices %v, %v", devices, err)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	third := start(t, "--ephemeral", "--listen", "unix:"+path)
	if status := third.stop(t); status != 0 {
		t.Errorf("after kill -9 of the first: exit status %d\n%s", status, third.stderr.String())
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestLogsInJSONAreJSON(t *testing.T) {
	p := start(t, "--ephemeral")
	p.stop(t)
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	if len(lines) < 2 {
		t.Fatalf("log:\n%s", p.stderr.String())
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestLogThatIsNoTerminalHasNoColours(t *testing.T) {
	p := start(t, "--ephemeral", "--log-format", "console")
	p.stop(t)
	if log := p.stderr.String(); strings.Contains(log, "\x1b") || !strings.Contains(log, "device ready") {
		t.Errorf("log %q", log)
	}
}

func TestSerialNumberStaysWithTheState(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "--state-dir", dir)
	first.stop(t)
	second := start(t, "--state-dir", dir, "--serial", "OTHER")
	second.stop(t)
	if first.ready.Serial == "" || first.ready.Serial != second.ready.Serial {
		t.Errorf("serial number %q became %q", first.ready.Serial, second.ready.Serial)
	}
}

func TestOneProcessForEachStateDirectory(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "--state-dir", dir)
	second := program(t, "--state-dir", dir, "--listen", "127.0.0.1:0")
	_ = second.Run()
	if status := second.ProcessState.ExitCode(); status != 3 || !strings.Contains(second.stderr.String(), dir) {
		t.Errorf("exit status %d\n%s", status, second.stderr.String())
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	if status := start(t, "--state-dir", dir).stop(t); status != 0 {
		t.Errorf("after kill -9 of the first: exit status %d", status)
	}
}

func TestCorruptStateIsRefusedAndNotOverwritten(t *testing.T) {
	good := t.TempDir()
	start(t, "--state-dir", good).stop(t)
	image, err := os.ReadFile(filepath.Join(good, "flash.bin"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]byte{
		"a text file":           []byte("this is not a flash image\n"),
		"an empty file":         {},
		"a truncated image":     image[:len(image)/2],
		"another format":        append([]byte("XXXXXXXX"), image[8:]...),
		"spoilt records":        flip(t, image),
		"lost boot records":     loseBootRecords(t, image),
		"a file that is longer": append(bytes.Clone(image), 0),
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "flash.bin")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			p := program(t, "--state-dir", dir, "--listen", "127.0.0.1:0")
			_ = p.Run()
			if status := p.ProcessState.ExitCode(); status != 4 || !strings.Contains(p.stderr.String(), "hint: the flash was left as it is") {
				t.Errorf("exit status %d\n%s", status, p.stderr.String())
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}

// flip changes bytes of the first batch of records in an image, which the file
// holds with every bit inverted.
func flip(t *testing.T, image []byte) []byte {
	t.Helper()
	batch := []byte("HBAT")
	for i := range batch {
		batch[i] = ^batch[i]
	}
	at := bytes.Index(image, batch)
	if at < 0 {
		t.Fatal("the image holds no records")
	}
	spoilt := bytes.Clone(image)
	for i := range 8 {
		spoilt[at+40+i] ^= 0x5A
	}
	return spoilt
}

// loseBootRecords returns an image of a device whose bootloader has written both copies
// of its record, and whose bits have decayed in both.
func loseBootRecords(t *testing.T, image []byte) []byte {
	t.Helper()
	chip, err := flash.ReadImage(bytes.NewReader(image), flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	_, region, err := boot.Divide(chip)
	if err != nil {
		t.Fatal(err)
	}
	b, err := boot.Open(region, boottest.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for copied := range 2 {
		err = errors.Join(err, b.RaiseFloor(1), region.Program(int64(copied*region.Geometry().BlockSize()), make([]byte, 8)))
	}
	var lost bytes.Buffer
	if _, writeErr := chip.WriteTo(&lost); err != nil || writeErr != nil {
		t.Fatal(err, writeErr)
	}
	return lost.Bytes()
}

// TestADeviceThatDoesNotStartSaysWhatToDo gives a device that runs a flash on which
// none starts, and then the one of before.
func TestADeviceThatDoesNotStartSaysWhatToDo(t *testing.T) {
	p := start(t, "--state-dir", t.TempDir())
	simulator := control.NewClient(p.ready.Control)
	var good bytes.Buffer
	if err := simulator.Snapshot(t.Context(), &good); err != nil {
		t.Fatal(err)
	}
	lost := loseBootRecords(t, good.Bytes())
	_, restored := simulator.Restore(t.Context(), lost)
	_, switchedOn := simulator.PowerOn(t.Context())
	for _, err := range []error{restored, switchedOn} {
		if err == nil || !strings.Contains(err.Error(), "neither of the two boot records can be read") || !strings.Contains(control.HintOf(err), "snapshot") {
			t.Errorf("%v; hint: %q", err, control.HintOf(err))
		}
	}
	var still bytes.Buffer
	if err := simulator.Snapshot(t.Context(), &still); err != nil || !bytes.Equal(still.Bytes(), lost) {
		t.Errorf("the flash was changed, %v", err)
	}
	if _, err := simulator.Restore(t.Context(), good.Bytes()); err != nil {
		t.Fatal(err)
	}
	if now, err := simulator.PowerOn(t.Context()); err != nil || !now.Powered || now.Serial != p.ready.Serial {
		t.Errorf("with the flash of before: %+v, %v", now, err)
	}
}

func TestPortInUseIsSaid(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := program(t, "--ephemeral", "--listen", listener.Addr().String())
	_ = p.Run()
	if status := p.ProcessState.ExitCode(); status != 5 || !strings.Contains(p.stderr.String(), "--listen") {
		t.Errorf("exit status %d\n%s", status, p.stderr.String())
	}
}

func TestWrongUseExitsWith2AndSaysWhy(t *testing.T) {
	tests := []struct {
		name string
		args []string
		says string
	}{
		{"neither state nor ephemeral", nil, "--state-dir"},
		{"both", []string{"--ephemeral", "--state-dir", "x"}, "--state-dir"},
		{"unknown flag", []string{"--frobnicate"}, "frobnicate"},
		{"argument", []string{"--ephemeral", "extra"}, "extra"},
		{"USB identity", []string{"--ephemeral", "--usb-id", "1209"}, "1209:0001"},
		{"speed", []string{"--ephemeral", "--speed", "low"}, "full, high or super"},
		{"log format", []string{"--ephemeral", "--log-format", "xml"}, "console"},
		{"log level", []string{"--ephemeral", "--log-level", "loud"}, "debug"},
		{"open address", []string{"--ephemeral", "--listen", "0.0.0.0:0"}, "--insecure"},
		{"TLS without all it needs", []string{"--ephemeral", "--listen", "127.0.0.1:0", "--tls-cert", "x"}, "all three"},
		{"TLS with files that are not there", []string{"--ephemeral", "--listen", "0.0.0.0:0", "--tls-cert", "x", "--tls-key", "y", "--tls-ca", "z"}, "no such file"},
		{"address without a port", []string{"--ephemeral", "--listen", "127.0.0.1"}, "--listen"},
		{"address with a port that cannot be", []string{"--ephemeral", "--listen", "127.0.0.1:65536"}, "at most 65535"},
		{"secrets of no capture", []string{"--ephemeral", "--listen", "127.0.0.1:0", "--capture-with-secrets"}, "--capture"},
		{"serial number", []string{"--ephemeral", "--listen", "127.0.0.1:0", "--serial", "no spaces allowed"}, "serial"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := program(t, test.args...)
			_ = p.Run()
			if status := p.ProcessState.ExitCode(); status != 2 || !strings.Contains(p.stderr.String(), test.says) {
				t.Errorf("exit status %d\n%s", status, p.stderr.String())
			}
		})
	}
}

func TestCoreDumpsAreForbidden(t *testing.T) {
	p := start(t, "--ephemeral")
	limits, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Process.Pid), "limits"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if strings.HasPrefix(line, "Max core file size") && strings.Fields(line)[4] == "0" {
			return
		}
	}
	t.Errorf("core dumps are allowed:\n%s", limits)
}
