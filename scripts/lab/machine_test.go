//go:build lab

package lab_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// TestMachine shows that the lab itself can be relied on: what it reports, and
// that it notices when something is wrong. It has a machine of its own, which
// does not survive it.
func TestMachine(t *testing.T) {
	m, err := lab.Boot(t.Context(), lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	t.Run("files arrive as they were sent", func(t *testing.T) { filesArrive(t, m) })
	t.Run("a program's outputs and exit code are told apart", func(t *testing.T) { outputs(t, m) })
	t.Run("a program that takes too long is killed", func(t *testing.T) { killed(t, m) })
	t.Run("a server that breaks the protocol is complained about", func(t *testing.T) { complained(t, m) })
	t.Run("a kernel that panics ends the machine", func(t *testing.T) { panics(t, m) })
}

func filesArrive(t *testing.T, m *lab.Machine) {
	content := strings.Repeat("\x00\xff\n", 100_000)
	if err := m.Put(t.Context(), "/tmp/a/b/file", 0o600, []byte(content)); err != nil {
		t.Fatal(err)
	}
	got, err := m.Get(t.Context(), "/tmp/a/b/file")
	if err != nil || string(got) != content {
		t.Errorf("Get = %d bytes, %v, want the %d that were put", len(got), err, len(content))
	}
}

func outputs(t *testing.T, m *lab.Machine) {
	r, err := m.Run(t.Context(), lab.Command{
		Argv: []string{"sh", "-c", "cat; pwd; echo $COLOUR >&2; exit 7"}, Dir: "/proc",
		Env: []string{"COLOUR=green"}, Stdin: []byte("in,"),
	})
	var exit *lab.ExitError
	if !errors.As(err, &exit) || r.Code != 7 || r.Stdout != "in,/proc\n" || r.Stderr != "green\n" {
		t.Errorf("Run = %+v, %v", r, err)
	}
	if r, _ := m.Exec(t.Context(), "sh", "-c", "kill -9 $$"); r.Code != 128+9 {
		t.Errorf("exit code %d after signal 9, want 137", r.Code)
	}
}

func killed(t *testing.T, m *lab.Machine) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := m.Exec(ctx, "sh", "-c", "sleep 1000; true"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Exec: %v, want %v", err, context.DeadlineExceeded)
	}
	if r, err := m.Exec(t.Context(), "sh", "-c", "while ps | grep '[s]leep 1000'; do :; done"); err != nil {
		t.Errorf("the program lives on: %v\n%s", err, r.Stdout)
	}
}

// complained has the guest import a device whose first answer belongs to no
// request. A lab that did not notice would prove nothing.
func complained(t *testing.T, m *lab.Machine) {
	if before, err := m.Complaints(t.Context()); err != nil || len(before) > 0 {
		t.Fatalf("complaints before anything happened: %q, %v", before, err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() { served <- rogue(listener) }()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if _, err := m.Exec(t.Context(), "usbip", "--tcp-port", port, "attach", "-r", lab.HostAddress, "-b", busID); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	after, err := m.Complaints(t.Context())
	if err != nil || !strings.Contains(strings.Join(after, "\n"), "cannot find a urb of seqnum") {
		t.Errorf("complaints %q, %v, want one about the unknown sequence number", after, err)
	}
}

// rogue serves one import and answers the first request with another's number.
// It returns when the kernel has closed the connection.
func rogue(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := proto.ReadOp(conn); err != nil {
		return err
	}
	id, err := proto.ReadBusID(conn)
	if err != nil {
		return err
	}
	remote := proto.Device{Path: "/rogue", BusID: id, Bus: 1, Number: 2, Identity: usb.Identity{Speed: usb.SpeedHigh, Configurations: 1}}
	if _, err := conn.Write(remote.Append(proto.Op{Code: proto.OpReplyImport}.Append(nil))); err != nil {
		return err
	}
	request := make([]byte, proto.HeaderSize)
	if _, err := io.ReadFull(conn, request); err != nil {
		return err
	}
	const nobodys = 0x7fffffff
	answer := proto.SubmitReply{Seq: nobodys}
	if _, err := conn.Write(answer.Append(nil)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

func panics(t *testing.T, m *lab.Machine) {
	_, err := m.Exec(t.Context(), "sh", "-c", "echo c > /proc/sysrq-trigger")
	if !errors.Is(err, lab.ErrDied) || !strings.Contains(err.Error(), "Kernel panic") {
		t.Errorf("Exec: %v, want %v and the kernel's last words", err, lab.ErrDied)
	}
	complaints, err := m.Complaints(t.Context())
	if !errors.Is(err, lab.ErrDied) || !strings.Contains(strings.Join(complaints, "\n"), "Kernel panic") {
		t.Errorf("Complaints = %q, %v, want the panic and %v", complaints, err, lab.ErrDied)
	}
}
