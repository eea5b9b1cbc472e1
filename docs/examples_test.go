// Package docs holds the pages and their examples. Its tests are those of the C
// programs in examples: that they compile without a warning, that their framing
// passes the vectors of the protocol, and that they get along with the device.
package docs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/local"
)

// compile makes a program out of C sources, and options for the compiler, and
// returns its path.
func compile(t *testing.T, sources ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	args := []string{"-std=c99", "-D_POSIX_C_SOURCE=200809L", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror", "-Iexamples", "-o", program}
	args = append(append(args, sources...), flags(t, sources)...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return program
}

// flags returns what a program that includes libusb.h needs besides: the
// library itself unless one of the sources stands in for it.
func flags(t *testing.T, sources []string) []string {
	t.Helper()
	if sources[0] != "examples/hello.c" {
		return nil
	}
	what := []string{"--cflags", "--libs", "libusb-1.0"}
	if strings.HasSuffix(sources[len(sources)-1], "libusb_pipe.c") {
		what = []string{"--cflags", "libusb-1.0"}
	}
	out, err := exec.Command("pkg-config", what...).Output()
	if err != nil {
		t.Fatalf("pkg-config finds no libusb-1.0 (Debian: libusb-1.0-0-dev, pkg-config): %v", err)
	}
	return strings.Fields(string(out))
}

func TestHelloLinksWithLibusb(t *testing.T) {
	program := compile(t, "examples/hello.c", "examples/frame.c", "examples/cbor.c")
	out, err := exec.Command(program, "no-number").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.HasPrefix(string(out), "usage:") {
		t.Errorf("a bad argument gives %v and %q", err, out)
	}
}

var vectors = []string{"../firmware/frame/testdata/headers.txt", "../firmware/frame/testdata/transfers.txt"}

func TestFramesInCPassTheVectors(t *testing.T) {
	program := compile(t, "examples/selftest.c", "examples/frame.c")
	out, err := exec.Command(program, vectors...).CombinedOutput()
	if err != nil || !regexp.MustCompile(`^[1-9][0-9]+ vectors, 0 failures\n$`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each of these ways to get the framing wrong must be seen by the vectors.
func TestVectorsCatchBrokenFrames(t *testing.T) {
	source, err := os.ReadFile("examples/frame.c")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another polynomial":     {"0x82F63B78", "0xEDB88320"},
		"tag in the wrong place": {"h->tag = get32(p + 8)", "h->tag = get32(p + 12)"},
		"totals not compared":    {"|| h->total != head->total", ""},
		"no limit of messages":   {"r->count == FRAME_UNFINISHED ||", ""},
	} {
		t.Run(name, func(t *testing.T) {
			changed := bytes.Replace(source, []byte(change[0]), []byte(change[1]), 1)
			if bytes.Equal(changed, source) {
				t.Fatalf("frame.c does not contain %q", change[0])
			}
			path := filepath.Join(t.TempDir(), "frame.c")
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			program := compile(t, "examples/selftest.c", path, "-O0")
			if out, err := exec.Command(program, vectors...).CombinedOutput(); err == nil {
				t.Errorf("the vectors pass:\n%s", out)
			}
		})
	}
}

// The program of the page runs against the real device, over pipes instead of
// USB. Old answers wait in the device when it starts, as an earlier program may
// have left them.
func TestHelloTalksToTheDevice(t *testing.T) {
	program := compile(t, "examples/hello.c", "examples/frame.c", "examples/cbor.c", "examples/testdata/libusb_pipe.c")
	link := openDevice(t)
	leaveAnswers(t, link)
	out, err := runOver(t, program, link)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`(?m)^serial +7000042$`, `(?m)^state +0$`, `(?m)^random +[0-9a-f]{32}$`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("the output lacks %s:\n%s", want, out)
		}
	}
}

func openDevice(t *testing.T) transport.Link {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.New(device.Config{Flash: image, Serial: "7000042"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	link, err := local.New(d.USB()).Open(t.Context(), transport.Selector{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := link.Close(); err != nil {
			t.Error(err)
		}
	})
	return link
}

// leaveAnswers has the device answer what nobody reads: a request before HELLO
// and garbage.
func leaveAnswers(t *testing.T, link transport.Link) {
	t.Helper()
	early := frame.Message{Type: frame.TypeRequest, Tag: 5, Code: uint32(command.CodeInfo)}
	transfer, _ := frame.NewSplitter(early).AppendFrame(nil, frame.MaxTransfer)
	if err := link.Write(t.Context(), append(transfer, "garbage"...)); err != nil {
		t.Fatal(err)
	}
}

// runOver runs a program whose libusb is testdata/libusb_pipe.c.
func runOver(t *testing.T, program string, link transport.Link) ([]byte, error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	fromHost, toDevice := pipe(t)
	fromDevice, toHost := pipe(t)
	cmd := exec.CommandContext(ctx, program)
	cmd.ExtraFiles = []*os.File{toDevice, fromDevice}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toDevice.Close()
	fromDevice.Close()
	ended := make(chan error, 2)
	go func() { ended <- carryOut(ctx, fromHost, link) }()
	go func() { ended <- carryIn(ctx, link, toHost) }()
	err := cmd.Wait()
	stop()
	fromHost.Close()
	for range 2 {
		if e := <-ended; e != nil {
			t.Error(e)
		}
	}
	return out.Bytes(), err
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// carryOut carries transfers from the program to the device until it ends.
func carryOut(ctx context.Context, from io.Reader, link transport.Link) error {
	for {
		var length uint32
		if err := binary.Read(from, binary.LittleEndian, &length); err != nil {
			return nil // the program has ended
		}
		p := make([]byte, length)
		if _, err := io.ReadFull(from, p); err != nil {
			return err
		}
		if err := link.Write(ctx, p); err != nil {
			return err
		}
	}
}

// carryIn carries transfers from the device to the program until ctx ends.
func carryIn(ctx context.Context, link transport.Link, to io.Writer) error {
	buffer := make([]byte, 65536)
	for {
		n, err := link.Read(ctx, buffer)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		p := append(binary.LittleEndian.AppendUint32(nil, uint32(n)), buffer[:n]...)
		if _, err := to.Write(p); err != nil {
			return nil // the program has ended
		}
	}
}
