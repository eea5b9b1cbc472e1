package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usbhsm7/firmware/control"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/replay"
)

// program is hsm7 in a process of its own.
type program struct {
	cmd    *exec.Cmd
	out    bytes.Buffer  // the standard output, unless the test reads it
	errors *bufio.Reader // the standard error
}

// startHSM7 starts hsm7 and waits for a line with sign on its standard error.
func startHSM7(t *testing.T, sign string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command("hsm7", args...)}
	p.cmd.Stdout = &p.out
	p.await(t, sign)
	return p
}

// await starts p and waits for a line with sign.
func (p *program) await(t *testing.T, sign string) {
	t.Helper()
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	p.errors = bufio.NewReader(pipe)
	for {
		line, err := p.errors.ReadString('\n')
		if err != nil {
			t.Fatalf("%v: ended without %q: %v", p.cmd.Args, sign, p.cmd.Wait())
		}
		if strings.Contains(line, sign) {
			return
		}
	}
}

// end waits for the end and returns what was on the standard error.
func (p *program) end(t *testing.T, status int) string {
	t.Helper()
	rest, err := io.ReadAll(p.errors)
	if err != nil {
		t.Error(err)
	}
	_ = p.cmd.Wait()
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("%v: status %d, want %d\n%s", p.cmd.Args, got, status, rest)
	}
	return string(rest)
}

// hsm7 runs hsm7 to its end.
func hsm7(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("hsm7", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("hsm7 %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// simulator starts the firmware and points hsm7 to it.
func simulator(t *testing.T, flags ...string) *firmware {
	t.Helper()
	control := filepath.Join(t.TempDir(), "control.sock")
	f := powerOn(t, buildFirmware(t), append([]string{"--ephemeral", "--control", control}, flags...)...)
	t.Setenv("HSM7_VIA", "usbip")
	t.Setenv("HSM7_USBIP", f.address)
	t.Setenv("HSM7_CONTROL", control)
	t.Setenv("HSM7_SO_PASSWORD", "so-password")
	return f
}

// packetsIn reads a whole capture.
func packetsIn(t *testing.T, path string) (packets []*capture.Packet, redacted bool) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := capture.NewReader(bytes.NewReader(file))
	for err == nil {
		var p *capture.Packet
		if p, err = r.Next(); err == nil {
			packets = append(packets, p)
		}
	}
	if err != io.EOF {
		t.Fatalf("%s: %v", path, err)
	}
	return packets, r.Redacted()
}

func TestInterruptedCaptureIsWhole(t *testing.T) {
	simulator(t)
	path := filepath.Join(t.TempDir(), "trace.pcapng")
	p := startHSM7(t, "capturing", "capture", "-w", path, "--json")
	hsm7(t, "hsm", "init", "--label", "demo")
	hsm7(t, "sim", "power-cycle") // the capture outlasts the device
	hsm7(t, "info")
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.end(t, 0)
	var report captured
	if err := json.Unmarshal(p.out.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s", err, p.out.Bytes())
	}
	packets, redacted := packetsIn(t, path)
	if len(packets) == 0 || !redacted || report.Packets != uint64(len(packets)) || len(report.Files) != 1 || report.Dropped != 0 {
		t.Errorf("%d packets, redacted %v; reported %+v", len(packets), redacted, report)
	}
	if file, _ := os.ReadFile(path); bytes.Contains(file, []byte("so-password")) {
		t.Error("the password is in the capture")
	}
}

// The packets of a session come while the capture goes on, and when Wireshark is
// closed the capture ends.
func TestLiveCapture(t *testing.T) {
	simulator(t)
	p := &program{cmd: exec.Command("hsm7", "capture", "-w", "-", "--with-secrets")}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.await(t, "capturing")
	hsm7(t, "hsm", "init", "--label", "demo")
	r, err := capture.NewReader(stdout)
	if err != nil {
		t.Fatal(err)
	}
	for seen := false; !seen; {
		packet, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		seen = bytes.Contains(packet.Data, []byte("so-password"))
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	hsm7(t, "info")
	if report := p.end(t, 0); !strings.Contains(report, "packets dropped") {
		t.Errorf("reported %q", report)
	}
}

func TestCaptureEndsWithTheSimulator(t *testing.T) {
	f := simulator(t)
	p := startHSM7(t, "capturing", "capture", "-w", filepath.Join(t.TempDir(), "trace.pcapng"), "--rotate-packets", "10", "--keep", "2")
	hsm7(t, "info")
	if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("the simulator: %v\n%s", err, f.stderr.String())
	}
	p.end(t, 0)
	if out := p.out.String(); !strings.Contains(out, "trace_0000") || strings.Contains(out, "trace_00001") {
		t.Errorf("reported %q", out)
	}
}

// A reader that has stopped reading holds up neither the device nor the end of
// the simulator.
func TestReaderThatDoesNotRead(t *testing.T) {
	f := simulator(t)
	stream, err := control.NewClient(os.Getenv("HSM7_CONTROL")).Stream(t.Context(), "GET", "/capture", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	d, err := hostdrv.Dial(t.Context(), usbip.New(f.address), transport.Selector{}, hostdrv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // more than the connection and the capture's queue hold
		if _, err := d.Echo(t.Context(), make([]byte, 2<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.Close(), f.cmd.Process.Signal(syscall.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("the simulator: %v\n%s", err, f.stderr.String())
	}
}

func TestParametersOfACaptureAreChecked(t *testing.T) {
	simulator(t)
	client := control.NewClient(os.Getenv("HSM7_CONTROL"))
	for _, query := range []string{"secrets=maybe", "snap=-1", "snap=all"} {
		if _, err := client.Stream(t.Context(), "GET", "/capture?"+query, nil); err == nil || !strings.Contains(err.Error(), "bad request") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// A device that was recorded from its first moment is replayed to the commands
// that were recorded, and tells others from them.
func TestReplayOfARecordedDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.pcapng")
	f := simulator(t, "--capture", path, "--capture-with-secrets")
	want := hsm7(t, "info")
	hsm7(t, "hsm", "init", "--label", "demo")
	if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	address := "unix:" + filepath.Join(t.TempDir(), "replay.sock")
	t.Setenv("HSM7_USBIP", address)
	tests := map[string]struct {
		label  string
		status int
	}{
		"the same": {"demo", 0},
		"another":  {"dem0", 7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := startHSM7(t, "the recording is at", "replay", path, "--listen", address, "--json")
			if got := hsm7(t, "info"); got != want {
				t.Errorf("the replay says\n%s\nrecorded was\n%s", got, want)
			}
			_ = exec.Command("hsm7", "hsm", "init", "--label", tt.label).Run() // fails where it is another
			p.end(t, tt.status)
			var report replay.Report
			if err := json.Unmarshal(p.out.Bytes(), &report); err != nil {
				t.Fatalf("%v in %s", err, p.out.Bytes())
			}
			if report.Followed != (tt.status == 0) || (report.Divergence == nil) != report.Followed {
				t.Errorf("report %+v", report)
			}
		})
	}
}

// A replay waits for a host that has left to come back, and tells what was next
// when it is stopped.
func TestReplayWhoseHostLeavesEarly(t *testing.T) {
	simulator(t)
	path := filepath.Join(t.TempDir(), "session.pcapng")
	hsm7(t, "--capture", path, "--capture-with-secrets", "info")
	address := "unix:" + filepath.Join(t.TempDir(), "replay.sock")
	p := startHSM7(t, "the recording is at", "replay", path, "--listen", address, "--json")
	host, err := client.Import(t.Context(), address, "1-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(host.Close(), p.cmd.Process.Signal(syscall.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	p.end(t, 7)
	var report replay.Report
	if err := json.Unmarshal(p.out.Bytes(), &report); err != nil || report.Followed || report.Waiting == "" {
		t.Errorf("%v, report %+v", err, report)
	}
}

func TestCommandsRecordThemselves(t *testing.T) {
	simulator(t)
	dir := t.TempDir()
	hsm7(t, "--capture", filepath.Join(dir, "blank.pcapng"), "hsm", "init", "--label", "demo")
	hsm7(t, "--capture", filepath.Join(dir, "clear.pcapng"), "--capture-with-secrets", "info")
	for name, want := range map[string]bool{"blank.pcapng": true, "clear.pcapng": false} {
		if packets, redacted := packetsIn(t, filepath.Join(dir, name)); len(packets) == 0 || redacted != want {
			t.Errorf("%s: %d packets, redacted %v", name, len(packets), redacted)
		}
	}
}
