package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"usbhsm7/scripts/lab/protocol"
)

// Limits of what a step may take where the caller's context sets none. They are
// many times what a quiet machine needs.
const (
	bootLimit  = 120 * time.Second
	stepLimit  = 60 * time.Second
	deathLimit = 10 * time.Second // from a lost connection to the emulator's end
)

// consoleTail is how many lines of the console an error carries.
const consoleTail = 60

// ErrDied tells that the guest has ended: its kernel panicked, or it was closed.
var ErrDied = errors.New("the lab's guest has ended")

// Config says what a machine holds.
type Config struct {
	// Files are added to the guest. Programs bring their shared libraries.
	Files []File

	// Modules are loaded at boot, besides the network's. nil: vhci_hcd.
	Modules []string

	// Hardware is added to the guest: QEMU's own options, such as "-device",
	// "qemu-xhci".
	Hardware []string

	// Processors of the guest. 0: one, which is the quickest on a machine that
	// shares its own.
	Processors int

	// VirtualTime makes the guest's clock count instructions, each of which takes
	// a nanosecond, and skip time in which the guest has nothing to do. What it
	// measures does not depend on how busy the host is. It runs more slowly, and
	// one processor at a time.
	VirtualTime bool

	// Ports are TCP ports of the guest that the host reaches through
	// [Machine.Address].
	Ports []int
}

// Machine is a running guest. Its methods may be used by several goroutines.
type Machine struct {
	Release string        // of the kernel, as uname -r prints it
	Ready   time.Duration // from starting the emulator until the agent answered

	console  console
	ports    forwards
	listener net.Listener
	token    string
	idle     chan visitor // the agent's idle connection
	gone     <-chan struct{}
	stop     chan struct{}
	kill     func()
	accepted sync.WaitGroup
	close    sync.Once
}

// visitor is a connection on which the agent has said hello.
type visitor struct {
	conn  net.Conn
	hello protocol.Hello
}

// Boot starts a machine and waits until its agent answers. The kernel is
// fetched when it is not under build/lab yet. ctx ends the boot, not the
// machine.
func Boot(ctx context.Context, config Config) (*Machine, error) {
	m, err := boot(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("boot the lab: %w", explain(err))
	}
	return m, nil
}

func boot(ctx context.Context, config Config) (*Machine, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	k, err := findKernel(ctx, root)
	if err != nil {
		return nil, err
	}
	agent, err := goTool(ctx, "./scripts/lab/agent", "agent", []string{"CGO_ENABLED=0"}, "build")
	if err != nil {
		return nil, err
	}
	modules := config.Modules
	if modules == nil {
		modules = []string{"vhci_hcd"}
	}
	order, err := k.loadOrder(append([]string{"virtio_pci", "virtio_net"}, modules...))
	if err != nil {
		return nil, err
	}
	initrd, err := makeInitrd(ctx, root, k, agent, config.Files)
	if err != nil {
		return nil, err
	}
	defer os.Remove(initrd) // QEMU has read it by the time the agent answers
	return start(ctx, k.image, initrd, order, config)
}

// makeInitrd writes the guest's file system to a file and returns its path.
func makeInitrd(ctx context.Context, root string, k *kernel, agent string, files []File) (string, error) {
	f, err := os.CreateTemp(filepath.Join(root, "build", "lab"), "initrd.*")
	if err != nil {
		return "", err
	}
	if err := errors.Join(writeImage(ctx, f, k, agent, files), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// start runs QEMU and waits for the agent.
func start(ctx context.Context, kernelImage, initrd string, modules []string, config Config) (*Machine, error) {
	ports, err := forward(config.Ports)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Machine{
		ports:    ports,
		listener: listener,
		token:    rand.Text(),
		idle:     make(chan visitor, 1),
		stop:     make(chan struct{}),
	}
	cmd := qemu(kernelImage, initrd, commandLine(listener.Addr().(*net.TCPAddr).Port, m.token, modules), ports, config)
	cmd.Stdout, cmd.Stderr = &m.console, &m.console
	began := time.Now()
	if m.gone, err = supervise(cmd); err != nil {
		listener.Close()
		return nil, err
	}
	m.kill = func() { _ = cmd.Process.Kill() }
	m.accepted.Go(m.accept)
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	first, err := m.take(ctx)
	if err != nil {
		m.Close()
		return nil, err
	}
	m.Ready = time.Since(began)
	m.Release = first.hello.Release
	m.idle <- first
	return m, nil
}

// Close switches the machine off at once and waits until nothing of it is left.
func (m *Machine) Close() {
	m.close.Do(func() {
		close(m.stop)
		m.kill()
		<-m.gone
		m.listener.Close()
		m.accepted.Wait()
		select {
		case v := <-m.idle:
			v.conn.Close()
		default:
		}
	})
}

// Address returns where the host reaches a port of Config.Ports, as
// "127.0.0.1:port". It is empty for other ports.
func (m *Machine) Address(port int) string { return m.ports[port] }

// Console returns what the guest has printed on its serial line: the newest
// 1 MiB.
func (m *Machine) Console() string { return m.console.String() }

// Complaints returns the lines in which the kernel complained, on the console
// or in its log, about itself, about the USB/IP peer or about a device. When
// the guest has died it returns what the console holds, and ErrDied.
func (m *Machine) Complaints(ctx context.Context) ([]string, error) {
	log, err := m.Exec(ctx, "dmesg")
	return findComplaints(log.Stdout + "\n" + m.Console()), err
}

// accept admits the agent's connections and nobody else's.
func (m *Machine) accept() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return
		}
		hello, err := m.greet(conn)
		if err != nil {
			conn.Close()
			continue
		}
		select {
		case m.idle <- visitor{conn, hello}:
		case <-m.stop:
			conn.Close()
			return
		}
	}
}

func (m *Machine) greet(conn net.Conn) (protocol.Hello, error) {
	var hello protocol.Hello
	if err := conn.SetReadDeadline(time.Now().Add(stepLimit)); err != nil {
		return hello, err
	}
	if err := json.NewDecoder(conn).Decode(&hello); err != nil {
		return hello, err
	}
	if hello.Token != m.token {
		return hello, errors.New("not the agent of this machine")
	}
	return hello, conn.SetReadDeadline(time.Time{})
}

// take waits for the agent's idle connection.
func (m *Machine) take(ctx context.Context) (visitor, error) {
	select {
	case v := <-m.idle:
		return v, nil
	case <-m.gone:
		return visitor{}, m.explain(ErrDied)
	case <-ctx.Done():
		return visitor{}, m.explain(ctx.Err())
	}
}

// explain adds the end of the console to an error.
func (m *Machine) explain(err error) error {
	return fmt.Errorf("%w; the console ends with:\n%s", err, m.console.tail(consoleTail))
}
