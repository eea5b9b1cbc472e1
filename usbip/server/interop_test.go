package server_test

import (
	"net"
	"os/exec"
	"regexp"
	"testing"

	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb/usbtest"
)

// TestUsbipToolListsTheDevice runs the usbip tool of the Linux distribution.
func TestUsbipToolListsTheDevice(t *testing.T) {
	tool, err := exec.LookPath("usbip")
	if err != nil {
		tool, err = exec.LookPath("/usr/sbin/usbip") // not in the path of a user
	}
	if err != nil {
		t.Fatal("the usbip tool is not installed: scripts/setup test")
	}
	addr, _ := serve(t, server.Options{}, usbtest.NewDevice(t))
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	list := func() string {
		out, err := exec.CommandContext(t.Context(), tool, "--tcp-port", port, "list", "-r", host).CombinedOutput()
		if err != nil {
			t.Logf("usbip list: %v", err) // it has no status of its own for an empty list
		}
		return string(out)
	}
	for _, want := range []string{`(?m)^\s*1-1: .*\(1209:0001\)$`, `/sys/devices/usbip/1-1`, `0 - .*\(ff/01/02\)`} {
		if out := list(); !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("usbip list says\n%s\nwant a match of %q", out, want)
		}
	}
	attach(t, addr)
	if out := list(); regexp.MustCompile("1209:0001").MatchString(out) {
		t.Errorf("usbip list shows a device in use:\n%s", out)
	}
}
