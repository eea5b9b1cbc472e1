package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usbhsm7/scripts/lab/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask has the agent answer one request and returns the parts joined.
func ask(t *testing.T, request protocol.Request) protocol.Reply {
	t.Helper()
	host, guest := net.Pipe()
	defer host.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer(guest, request)
	}()
	var whole protocol.Reply
	for decoder := json.NewDecoder(host); !whole.Done; {
		var part protocol.Reply
		if err := decoder.Decode(&part); err != nil {
			t.Fatal(err)
		}
		whole.Stdout = append(whole.Stdout, part.Stdout...)
		whole.Stderr = append(whole.Stderr, part.Stderr...)
		whole.Data, whole.Path, whole.Done, whole.Code, whole.Error = part.Data, part.Path, part.Done, part.Code, part.Error
	}
	<-done
	return whole
}

func TestExecReportsOutputsAndExitCode(t *testing.T) {
	for _, c := range []struct {
		name           string
		request        protocol.Request
		stdout, stderr string
		code           int
	}{
		{"success", protocol.Request{Argv: []string{"sh", "-c", "echo out; echo err >&2"}}, "out\n", "err\n", 0},
		{"standard input", protocol.Request{Argv: []string{"cat"}, Data: []byte("in")}, "in", "", 0},
		{"environment and folder", protocol.Request{Argv: []string{"sh", "-c", "echo $LAB $PWD"}, Env: []string{"LAB=x"}, Dir: "/"}, "x /\n", "", 0},
		{"failure", protocol.Request{Argv: []string{"sh", "-c", "exit 5"}}, "", "", 5},
		{"signal", protocol.Request{Argv: []string{"sh", "-c", "kill -9 $$"}}, "", "", 137},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.request.Op = protocol.Exec
			r := ask(t, c.request)
			if r.Error != "" || string(r.Stdout) != c.stdout || string(r.Stderr) != c.stderr || r.Code != c.code {
				t.Errorf("reply %+v, stdout %q, stderr %q", r, r.Stdout, r.Stderr)
			}
		})
	}
}

func TestRequestsThatCannotBeCarriedOutSayWhy(t *testing.T) {
	for _, c := range []struct {
		request protocol.Request
		says    string
	}{
		{protocol.Request{Op: protocol.Exec}, "no program named"},
		{protocol.Request{Op: protocol.Exec, Argv: []string{"no-such-program"}}, "no-such-program"},
		{protocol.Request{Op: protocol.Get, Path: "/no/such/file"}, "/no/such/file"},
		{protocol.Request{Op: protocol.Put, Path: "/proc/no/such"}, "/proc/no"},
		{protocol.Request{Op: protocol.Await, Path: "[", Present: true}, "syntax error"},
		{protocol.Request{Op: "dance"}, `unknown request "dance"`},
	} {
		if r := ask(t, c.request); !strings.Contains(r.Error, c.says) {
			t.Errorf("%+v: error %q, want it to say %q", c.request, r.Error, c.says)
		}
	}
}

func TestFilesAreWrittenAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	if r := ask(t, protocol.Request{Op: protocol.Put, Path: path, Mode: 0o640, Data: []byte("text")}); r.Error != "" {
		t.Fatal(r.Error)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v, want 0640", info.Mode(), err)
	}
	if r := ask(t, protocol.Request{Op: protocol.Get, Path: path}); string(r.Data) != "text" {
		t.Errorf("Get = %q, %s", r.Data, r.Error)
	}
}

func TestAwaitSeesPathsComeAndGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node")
	pattern := filepath.Join(filepath.Dir(path), "no?e")
	appeared := make(chan protocol.Reply, 1)
	go func() { appeared <- ask(t, protocol.Request{Op: protocol.Await, Path: pattern, Present: true}) }()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := <-appeared; r.Path != path {
		t.Errorf("Await found %q, want %q", r.Path, path)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, protocol.Request{Op: protocol.Await, Path: pattern}); r.Error != "" {
		t.Error(r.Error)
	}
}

func TestClosingTheConnectionKillsTheProgramAndItsChildren(t *testing.T) {
	host, guest := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer(guest, protocol.Request{Op: protocol.Exec, Argv: []string{"sh", "-c", "sleep 1000 & echo $!; wait"}})
	}()
	var first protocol.Reply
	if err := json.NewDecoder(host).Decode(&first); err != nil {
		t.Fatal(err)
	}
	host.Close()
	<-done
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	child := strings.TrimSpace(string(first.Stdout))
	if _, err := await(ctx, "/proc/"+child+"/fd/1", false); err != nil {
		t.Errorf("process %s outlives the connection", child)
	}
}

func TestSettingsComeFromTheKernelsCommandLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cmdline")
	write := func(line string) {
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("console=ttyS0 quiet lab.host=10.0.2.2:99 lab.token=abc lab.modules=a/b.ko,c.ko\n")
	s, err := readSettings(path)
	if err != nil || s.host != "10.0.2.2:99" || s.token != "abc" || strings.Join(s.modules, " ") != "a/b.ko c.ko" {
		t.Errorf("readSettings = %+v, %v", s, err)
	}
	write("console=ttyS0\n")
	if _, err := readSettings(path); err == nil {
		t.Error("a command line without lab.host was accepted")
	}
}

func TestAgentRefusesToRunOutsideTheGuest(t *testing.T) {
	if err := run(); err == nil || !strings.Contains(err.Error(), "process 1") {
		t.Errorf("run: %v, want a refusal", err)
	}
}
