package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usbhsm7/firmware/control"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
)

func writeScript(t *testing.T, script string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "script.faults")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFaultScriptIsInForceFromTheStart(t *testing.T) {
	script := writeScript(t, "on control-in nth 1: error EILSEQ\nconnection: split 1..7 bytes\n")
	p := start(t, "--ephemeral", "--control", filepath.Join(t.TempDir(), "c"), "--fault", script)
	host, err := client.Import(t.Context(), p.ready.Listen, p.ready.BusID)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for _, want := range []usb.Status{usb.EILSEQ, usb.OK} {
		u, done := &usb.URB{Endpoint: 0x80, Buffer: make([]byte, 18), Setup: usb.Setup{
			RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: 18,
		}}, make(chan struct{})
		u.Done = func(*usb.URB) { close(done) }
		host.Submit(u)
		if <-done; u.Status != want {
			t.Errorf("%v, want %v", u.Status, want)
		}
	}
	var report fault.Report
	if err := control.NewClient(p.ready.Control).Call(t.Context(), "GET", "/faults", nil, &report); err != nil {
		t.Fatal(err)
	}
	for i, fired := range []uint64{1, 1} {
		if report.Rules[i].Fired != fired {
			t.Errorf("%+v", report.Rules[i])
		}
	}
	p.stop(t)
	if !strings.Contains(p.stderr.String(), `"rule":"line 1"`) {
		t.Errorf("the log does not tell of the fault:\n%s", p.stderr.String())
	}
}

func TestWrongFaultScriptsExitWith2AndSayWhere(t *testing.T) {
	for script, says := range map[string]string{
		writeScript(t, "\non bulk-in: stal"):         "line 2, column 13",
		writeScript(t, "on command sgin: stall"):     `no command "sgin"`,
		writeScript(t, "on any: duplicate"):          "breaks the USB/IP protocol",
		filepath.Join(t.TempDir(), "no-such-script"): "no such file",
	} {
		p := program(t, "--ephemeral", "--fault", script)
		_ = p.Run()
		if status := p.ProcessState.ExitCode(); status != 2 || !strings.Contains(p.stderr.String(), says) {
			t.Errorf("exit status %d\n%s", status, p.stderr.String())
		}
	}
}
