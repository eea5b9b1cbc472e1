package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"usbhsm7/scripts/lab/protocol"
)

// pollInterval is how often Await looks. sysfs offers no notification.
const pollInterval = 2 * time.Millisecond

// serve dials the host, waits for a request, and hands it to a goroutine that
// ends with its connection, for as long as the host accepts.
func serve(s settings) error {
	for {
		conn, err := net.Dial("tcp4", s.host)
		if err != nil {
			return fmt.Errorf("the host is gone: %w", err)
		}
		if err := json.NewEncoder(conn).Encode(hello(s.token)); err != nil {
			return fmt.Errorf("the host is gone: %w", err)
		}
		var request protocol.Request
		if err := json.NewDecoder(conn).Decode(&request); err != nil {
			return fmt.Errorf("the host sent no request: %w", err)
		}
		go answer(conn, request)
	}
}

func hello(token string) protocol.Hello {
	h := protocol.Hello{Token: token}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		h.Release = unix.ByteSliceToString(name.Release[:])
	}
	if text, err := os.ReadFile("/proc/uptime"); err == nil {
		first, _, _ := strings.Cut(string(text), " ")
		h.Uptime, _ = strconv.ParseFloat(first, 64)
	}
	return h
}

// answer carries out one request. Its context ends when the host closes the
// connection.
func answer(conn net.Conn, request protocol.Request) {
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		defer cancel()
		_, _ = io.Copy(io.Discard, conn) // the host sends nothing more: this waits for its end
	}()
	out := &replies{encoder: json.NewEncoder(conn)}
	last, err := perform(ctx, request, out)
	last.Done = true
	if err != nil {
		last.Error = err.Error()
	}
	out.send(last)
	conn.Close()
	<-closed
}

func perform(ctx context.Context, r protocol.Request, out *replies) (protocol.Reply, error) {
	switch r.Op {
	case protocol.Exec:
		return execute(ctx, r, out)
	case protocol.Put:
		if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
			return protocol.Reply{}, err
		}
		return protocol.Reply{}, os.WriteFile(r.Path, r.Data, r.Mode)
	case protocol.Get:
		data, err := os.ReadFile(r.Path)
		return protocol.Reply{Data: data}, err
	case protocol.Await:
		return await(ctx, r.Path, r.Present)
	default:
		return protocol.Reply{}, fmt.Errorf("unknown request %q", r.Op)
	}
}

// execute runs a program in a process group of its own, which is killed as a
// whole when ctx ends.
func execute(ctx context.Context, r protocol.Request, out *replies) (protocol.Reply, error) {
	if len(r.Argv) == 0 {
		return protocol.Reply{}, errors.New("no program named")
	}
	cmd := exec.CommandContext(ctx, r.Argv[0], r.Argv[1:]...)
	cmd.Env = append(os.Environ(), r.Env...)
	cmd.Dir = r.Dir
	cmd.Stdin = bytes.NewReader(r.Data)
	cmd.Stdout = out.stream(func(p []byte) protocol.Reply { return protocol.Reply{Stdout: p} })
	cmd.Stderr = out.stream(func(p []byte) protocol.Reply { return protocol.Reply{Stderr: p} })
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if r.User != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: r.User, Gid: r.User}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return protocol.Reply{}, err
	}
	return protocol.Reply{Code: exitCode(cmd.ProcessState)}, nil
}

// exitCode follows the shell: 128+n for a program that signal n ended.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// await waits until a path that matches pattern exists, or none does.
func await(ctx context.Context, pattern string, present bool) (protocol.Reply, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return protocol.Reply{}, err
		}
		if (len(found) > 0) == present {
			return protocol.Reply{Path: strings.Join(found, "\n")}, nil
		}
		select {
		case <-ctx.Done():
			return protocol.Reply{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// replies sends replies of several goroutines on one connection. Errors are
// dropped: a host that is gone reads none.
type replies struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (r *replies) send(reply protocol.Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.encoder.Encode(reply)
}

func (r *replies) stream(wrap func([]byte) protocol.Reply) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		r.send(wrap(p))
		return len(p), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
