package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usbhsm7/firmware/control"
	"usbhsm7/usbip/client"
)

func TestPowerCycleKeepsTheDeviceAndDropsItsHost(t *testing.T) {
	for name, flags := range map[string][]string{
		"state directory": {"--state-dir", t.TempDir()},
		"ephemeral":       {"--ephemeral", "--control", filepath.Join(t.TempDir(), "c")},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, flags...)
			simulator := control.NewClient(p.ready.Control)
			host, err := client.Import(t.Context(), p.ready.Listen, p.ready.BusID)
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()

			off, err := simulator.PowerOff(t.Context())
			if err != nil || off.Powered || off.Serial != p.ready.Serial {
				t.Fatalf("status after power off %+v, %v", off, err)
			}
			<-host.Gone()
			if devices, err := client.List(t.Context(), p.ready.Listen); err != nil || len(devices) != 0 {
				t.Errorf("a device that is off is listed: %v, %v", devices, err)
			}
			on, err := simulator.PowerOn(t.Context())
			if err != nil || on != p.ready {
				t.Fatalf("status after power on %+v, %v; it was %+v", on, err, p.ready)
			}
			again, err := client.Import(t.Context(), p.ready.Listen, p.ready.BusID)
			if err != nil {
				t.Fatal(err)
			}
			_ = again.Close()
		})
	}
}

func TestControlSocketBelongsToItsOwner(t *testing.T) {
	p := start(t, "--state-dir", t.TempDir())
	info, err := os.Stat(p.ready.Control)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestControlSocketOfADeadSimulatorIsReplaced(t *testing.T) {
	dir := t.TempDir()
	dead := start(t, "--state-dir", dir)
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = dead.Wait()
	p := start(t, "--state-dir", dir)
	if _, err := control.NewClient(p.ready.Control).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestControlSocketOfALiveSimulatorIsNotTaken(t *testing.T) {
	live := start(t, "--state-dir", t.TempDir())
	p := program(t, "--ephemeral", "--listen", "127.0.0.1:0", "--control", live.ready.Control)
	_ = p.Run()
	if status := p.ProcessState.ExitCode(); status != 5 || !strings.Contains(p.stderr.String(), "--control") {
		t.Errorf("exit status %d\n%s", status, p.stderr.String())
	}
	if _, err := control.NewClient(live.ready.Control).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStateDirectoryTooDeepForASocketWorks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	if p := start(t, "--state-dir", dir); p.ready.Control != "" {
		t.Errorf("control socket %s", p.ready.Control)
	}
}

func TestMisspeltRequestsAreRefused(t *testing.T) {
	p := start(t, "--state-dir", t.TempDir())
	simulator := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", p.ready.Control)
	}}}
	defer simulator.CloseIdleConnections()
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPatch, "/clock", `{"advanced":"1h"}`},
		{http.MethodPost, "/tamper", `{"cause":"chassis-opened","when":"now"}`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://simulator"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := simulator.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s %s %s: %s", c.method, c.path, c.body, response.Status)
		}
	}
}
