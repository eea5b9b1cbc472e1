package socket_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		address   string
		ok, local bool
	}{
		{"127.0.0.1:3240", true, true},
		{"[::1]:3240", true, true},
		{"localhost:3240", true, true},
		{"127.8.8.8:0", true, true},
		{"0.0.0.0:3240", true, false},
		{":3240", true, false},
		{"hsm.example:3240", true, false},
		{"unix:/run/hsm.sock", true, true},
		{"unix:hsm.sock", true, true},
		{"unix:/" + strings.Repeat("x", 106), true, true},
		{"unix:/" + strings.Repeat("x", 107), false, false},
		{"unix:", false, false},
		{"unix:@abstract", false, false},
		{"unix:/a\x00b", false, false},
		{"127.0.0.1", false, false},
		{"127.0.0.1:", false, false},
		{"127.0.0.1:65535", true, true},
		{"127.0.0.1:65536", false, false},
		{"127.0.0.1:99999999999999999999", false, false},
		{"", false, false},
	} {
		err := socket.Check(c.address)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, socket.ErrAddress) {
			t.Errorf("Check(%q) = %v, want it accepted: %t", c.address, err, c.ok)
		}
		if got := socket.Local(c.address); got != c.local {
			t.Errorf("Local(%q) = %t", c.address, got)
		}
	}
}

// listen listens on address until the test ends, and answers whoever connects
// with one byte.
func listen(t *testing.T, address string) (at string) {
	t.Helper()
	listener, err := socket.Listen(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("!")) // to a probe that has left, too
			conn.Close()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		accepting.Wait()
	})
	return socket.Name(listener.Addr())
}

func TestWhatListensCanBeDialled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, address := range []string{"127.0.0.1:0", "unix:" + path} {
		at := listen(t, address)
		conn, err := socket.Dial(t.Context(), at, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != "!" {
			t.Errorf("%s: %q, %v", at, got, err)
		}
		if name := socket.Name(conn.RemoteAddr()); name != at {
			t.Errorf("the peer's name is %q, want %q", name, at)
		}
		conn.Close()
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestSocketIsRemovedWhenItsServerCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := socket.Listen(t.Context(), "unix:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// stale leaves a socket behind as a killed server does.
func stale(t *testing.T, path string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
}

func TestSocketOfADeadServerIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale(t, path)
	at := listen(t, "unix:"+path)
	conn, err := socket.Dial(t.Context(), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestOfServersThatStartAtOnceOneGetsTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale(t, path)
	const servers = 8
	results := make(chan error, servers)
	listeners := make(chan net.Listener, servers)
	for range servers {
		go func() {
			listener, err := socket.Listen(context.Background(), "unix:"+path, nil)
			if err == nil {
				listeners <- listener
			}
			results <- err
		}()
	}
	won := 0
	for range servers {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, socket.ErrInUse) {
			t.Errorf("%v, want %v", err, socket.ErrInUse)
		}
	}
	if won != 1 {
		t.Errorf("%d servers have the socket, want 1", won)
	}
	(<-listeners).Close()
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		address string
		want    error
	}{
		"no address":        {"3240", socket.ErrAddress},
		"TCP port in use":   {listen(t, "127.0.0.1:0"), socket.ErrInUse},
		"socket in use":     {listen(t, "unix:"+filepath.Join(dir, "s")), socket.ErrInUse},
		"a file":            {"unix:" + file, socket.ErrNotSocket},
		"a folder":          {"unix:" + dir, socket.ErrNotSocket},
		"no such folder":    {"unix:" + filepath.Join(dir, "none", "s"), fs.ErrNotExist},
		"a link to a file":  {"unix:" + link(t, file), socket.ErrNotSocket},
		"an unknown number": {"192.0.2.1:0", nil},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := socket.Listen(t.Context(), c.address, nil)
			if err == nil {
				listener.Close()
				t.Fatal("it listens")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.address) {
				t.Errorf("%v, want %v and the address", err, c.want)
			}
		})
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		t.Errorf("the file was changed: %q, %v", content, err)
	}
}

func link(t *testing.T, target string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "l")
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDialErrors(t *testing.T) {
	dead := filepath.Join(t.TempDir(), "s")
	stale(t, dead)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx     context.Context
		address string
		want    error
	}{
		"no address":           {t.Context(), "unix:", socket.ErrAddress},
		"nobody at the port":   {t.Context(), closed.Addr().String(), socket.ErrNoServer},
		"no socket":            {t.Context(), "unix:" + dead + "2", socket.ErrNoServer},
		"a dead server's":      {t.Context(), "unix:" + dead, socket.ErrNoServer},
		"context that is over": {over, "127.0.0.1:1", context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := socket.Dial(c.ctx, c.address, nil)
			if err == nil {
				conn.Close()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestPairIsConnected(t *testing.T) {
	a, b, err := socket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := a.Write([]byte("through")); err != nil {
		t.Fatal(err)
	}
	a.Close()
	if got, err := io.ReadAll(b); err != nil || string(got) != "through" {
		t.Errorf("%q, %v", got, err)
	}
}
