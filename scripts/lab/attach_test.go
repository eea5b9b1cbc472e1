//go:build lab

package lab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"usbhsm7/scripts/lab"
)

// attachChecks show the ways of this project into a kernel: over Unix sockets,
// over TLS, from within the simulator, and kept attached by a supervisor.
var attachChecks = []check{
	{"hsm7 attaches over a Unix socket, and bulk data passes", attachUnix},
	{"usbhsm7 attaches itself, also after a power cycle", attachItself},
	{"hsm7 attaches again what was unplugged or detached", watchUnplugged},
	{"hsm7 attaches again when the server was killed and started again", watchKilled},
	{"hsm7 attaches again when the network was lost", watchNetwork},
	{"hsm7 carries TLS for the kernel", watchTLS},
	{"hsm7 doctor says what is missing", doctor},
}

// transfers are those of the tests of every transport that move data, and that
// pull the plug: what depends on the connection below the kernel.
const transfers = "TestConformance/(transfers keep|a transfer holds|a read that is cancelled|an event arrives|a device that vanishes).*"

const usbhsm7Path = tree + "/build/usbhsm7"

// guestSimulator is a usbhsm7 that runs in the guest.
type guestSimulator struct {
	*lab.Process
	listen, control string
	pid             string
	port            *struct{ Local string }
}

// simulate starts a usbhsm7 in the guest and waits until it is ready.
func (b *bench) simulate(ctx context.Context, t *testing.T, flags ...string) *guestSimulator {
	t.Helper()
	ready := newWatch(`\}\n`)
	argv := append([]string{usbhsm7Path, "--serial", serial, "--ready-fd", "1", "--log-format", "json"}, flags...)
	p, err := b.Start(ctx, lab.Command{Argv: argv, Stdout: ready})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = p.Wait()
	}()
	t.Cleanup(func() {
		p.Kill()
		<-ended
	})
	select {
	case <-ready.matched:
	case <-ended:
		_, err := p.Wait()
		t.Fatalf("usbhsm7 in the guest is not ready: %v", err)
	}
	var state struct {
		Listen, Control string
		PID             int
		Kernel          *struct{ Local string }
	}
	if err := json.Unmarshal([]byte(ready.wait(ctx, t)), &state); err != nil {
		t.Fatal(err)
	}
	return &guestSimulator{p, state.Listen, state.Control, strconv.Itoa(state.PID), state.Kernel}
}

// supervisor is an hsm7 attach --watch that runs in the guest.
type supervisor struct {
	*lab.Process
	bench *bench
}

// supervise starts hsm7 attach --watch in the guest.
func (b *bench) supervise(ctx context.Context, t *testing.T, flags ...string) *supervisor {
	t.Helper()
	// The shell tells the number of the process that hsm7 then is.
	argv := append([]string{"sh", "-c", `echo $$ >/tmp/supervisor; exec "$@"`, "sh", hsm7Path, "attach", "--watch", "--json"}, flags...)
	p, err := b.Start(ctx, lab.Command{Argv: argv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		_, _ = p.Wait()
	})
	return &supervisor{p, b}
}

// attached waits until the device can be used, and checks that it really can.
func (s *supervisor) attached(ctx context.Context, t *testing.T, remote string) {
	t.Helper()
	s.bench.awaitDevice(ctx, t)
	want(t, s.bench.run(ctx, t, hsm7Path, "info", "--via", "usb").Stdout, `Serial number +`+serial)
	_, shown := s.bench.port(ctx, t)
	want(t, shown, remote)
}

// stop ends the supervisor as an init system does, and expects nothing to be
// left. It returns what the supervisor told.
func (s *supervisor) stop(ctx context.Context, t *testing.T) string {
	t.Helper()
	s.bench.run(ctx, t, "sh", "-c", "kill -TERM $(cat /tmp/supervisor)")
	r, err := s.Wait()
	if err != nil {
		t.Errorf("the supervisor ended with %v", err)
	}
	s.bench.awaitNoDevice(ctx, t)
	s.bench.noPort(ctx, t)
	want(t, r.Stdout, `"event":"detached".*\n$`)
	return r.Stdout
}

func attachUnix(ctx context.Context, t *testing.T, b *bench) string {
	sim := b.simulate(ctx, t, "--ephemeral", "--listen", "unix:/run/hsm.sock")
	r := b.run(ctx, t, hsm7Path, "attach", "--usbip", sim.listen)
	b.awaitDevice(ctx, t)
	_, shown := b.port(ctx, t)
	want(t, shown, `-> usbip://unix:/run/hsm\.sock:-/1-1`)
	want(t, b.run(ctx, t, hsm7Path, "ports").Stdout, `port 0: \S+ from unix:/run/hsm\.sock bus ID 1-1, high speed, in use`)
	plug := hsm7Path + " attach --usbip " + sim.listen
	detail := b.testAttached(ctx, t, transfers, hsm7Path+" detach 0", plug)
	b.run(ctx, t, hsm7Path, "detach", "0")
	b.awaitNoDevice(ctx, t)
	return fmt.Sprintf("attached and configured in %s; %s", milliseconds(r.Took), detail)
}

func attachItself(ctx context.Context, t *testing.T, b *bench) string {
	began := time.Now()
	sim := b.simulate(ctx, t, "--ephemeral", "--attach", "--control", "/run/hsm.control")
	took := time.Since(began)
	local, _ := b.awaitDevice(ctx, t)
	if sim.listen != "" || sim.port == nil || sim.port.Local != local {
		t.Errorf("the ready line says it listens on %q and is attached as %v, want nowhere and %s", sim.listen, sim.port, local)
	}
	_, shown := b.port(ctx, t)
	want(t, shown, `-> usbip://process:`+sim.pid+`/1-1`)
	b.run(ctx, t, hsm7Path, "hsm", "init", "--label", "lab", "--via", "usb", "--password-file", b.password(ctx, t))
	b.run(ctx, t, hsm7Path, "sim", "power-off", "--control", sim.control)
	b.awaitNoDevice(ctx, t)
	b.noPort(ctx, t)
	b.run(ctx, t, hsm7Path, "sim", "power-on", "--control", sim.control)
	b.awaitDevice(ctx, t)
	want(t, b.run(ctx, t, hsm7Path, "info", "--via", "usb").Stdout, `HSM +.*label "lab"`)
	b.run(ctx, t, "kill", "-TERM", sim.pid)
	if _, err := sim.Wait(); err != nil {
		t.Errorf("usbhsm7 ended with %v", err)
	}
	b.awaitNoDevice(ctx, t)
	b.noPort(ctx, t)
	return "from the start of the process to the attached device: " + milliseconds(took)
}

// password puts the SO's password into a file.
func (b *bench) password(ctx context.Context, t *testing.T) string {
	t.Helper()
	const name = "/tmp/password"
	if err := b.Put(ctx, name, 0o600, []byte("so-password\n")); err != nil {
		t.Fatal(err)
	}
	return name
}

func watchUnplugged(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	w := b.supervise(ctx, t, "--usbip", s.address)
	remote := `-> usbip://10\.0\.2\.2:` + s.port + `/1-1`
	w.attached(ctx, t, remote)
	const times = 3
	var away time.Duration
	for range times {
		s.device.USB().Unplug()
		b.awaitNoDevice(ctx, t)
		began := time.Now()
		s.device.USB().Plug()
		w.attached(ctx, t, remote)
		away += time.Since(began)
	}
	number, _ := b.port(ctx, t)
	b.run(ctx, t, "usbip", "detach", "-p", number) // by somebody who does not know of the supervisor
	b.awaitNoDevice(ctx, t)
	w.attached(ctx, t, remote)
	told := w.stop(ctx, t)
	if lost := strings.Count(told, `"event":"lost"`); lost != times+1 {
		t.Errorf("it told of %d losses, want %d:\n%s", lost, times+1, told)
	}
	return fmt.Sprintf("plugged in, attached and asked in %s", milliseconds(away/times))
}

func watchKilled(ctx context.Context, t *testing.T, b *bench) string {
	state := b.folderInGuest(ctx, t)
	w := b.supervise(ctx, t, "--usbip", "unix:/run/killed.sock") // the server comes later
	sim := b.simulate(ctx, t, "--state-dir", state, "--listen", "unix:/run/killed.sock")
	remote := `-> usbip://unix:/run/killed\.sock:-/1-1`
	w.attached(ctx, t, remote)
	b.run(ctx, t, hsm7Path, "hsm", "init", "--label", "lab", "--via", "usb", "--password-file", b.password(ctx, t))
	b.run(ctx, t, "kill", "-KILL", sim.pid)
	b.awaitNoDevice(ctx, t)
	b.simulate(ctx, t, "--state-dir", state, "--listen", "unix:/run/killed.sock")
	w.attached(ctx, t, remote)
	want(t, b.run(ctx, t, hsm7Path, "info", "--via", "usb").Stdout, `HSM +.*label "lab"`)
	want(t, w.stop(ctx, t), `"event":"failed".*no USB/IP server there`, `"event":"lost"`)
	return "over a Unix socket, with the HSM's state kept"
}

// folderInGuest returns a new folder.
func (b *bench) folderInGuest(ctx context.Context, t *testing.T) string {
	t.Helper()
	name := strings.TrimSpace(b.run(ctx, t, "mktemp", "-d", "/tmp/folder.XXXXXX").Stdout)
	t.Cleanup(func() { b.run(context.WithoutCancel(ctx), t, "rm", "-rf", name) })
	return name
}

// watchNetwork takes the network away without a word to either side: the
// loopback interface of the guest, on which a server listens.
func watchNetwork(ctx context.Context, t *testing.T, b *bench) string {
	sim := b.simulate(ctx, t, "--ephemeral", "--listen", "127.0.0.1:0")
	w := b.supervise(ctx, t, "--usbip", sim.listen)
	remote := `-> usbip://` + strings.ReplaceAll(sim.listen, ".", `\.`) + `/1-1`
	w.attached(ctx, t, remote)
	b.run(ctx, t, "ip", "link", "set", "lo", "down")
	began := time.Now()
	b.awaitNoDevice(ctx, t)
	noticed := time.Since(began)
	b.run(ctx, t, "ip", "link", "set", "lo", "up")
	began = time.Now()
	w.attached(ctx, t, remote)
	back := time.Since(began)
	w.stop(ctx, t)
	return fmt.Sprintf("the kernel noticed after %s, and had the device again %s after the network came back", milliseconds(noticed), milliseconds(back))
}

func watchTLS(ctx context.Context, t *testing.T, b *bench) string {
	folder := path.Join(b.folderInGuest(ctx, t), "tls")
	b.run(ctx, t, hsm7Path, "tls", "new", folder)
	file := func(name string) string { return path.Join(folder, name) }
	sim := b.simulate(ctx, t, "--ephemeral", "--listen", "127.0.0.1:0", "--control", "/run/tls.control",
		"--tls-cert", file("server.pem"), "--tls-key", file("server.key"), "--tls-ca", file("ca.pem"))
	want(t, b.refused(ctx, t, hsm7Path, "attach", "--usbip", sim.listen), `does it want TLS`)
	b.refused(ctx, t, "usbip", "--tcp-port", strings.TrimPrefix(sim.listen, "127.0.0.1:"), "attach", "-r", "127.0.0.1", "-b", busID)
	w := b.supervise(ctx, t, "--usbip", sim.listen,
		"--tls-cert", file("client.pem"), "--tls-key", file("client.key"), "--tls-ca", file("ca.pem"))
	remote := `-> usbip://` + strings.ReplaceAll(sim.listen, ".", `\.`) + `/1-1`
	w.attached(ctx, t, remote)
	power := hsm7Path + " sim --control " + sim.control + " power-"
	detail := b.testAttached(ctx, t, transfers, power+"off", power+"on")
	w.attached(ctx, t, remote)
	w.stop(ctx, t)
	return detail
}

// doctor says what stands between the guest and a device before each step, and
// nothing after the last.
func doctor(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	nowhere := "127.0.0.1:1"
	b.run(ctx, t, "modprobe", "-r", "vhci_hcd")
	t.Cleanup(func() { b.run(context.WithoutCancel(ctx), t, "modprobe", "vhci_hcd") })
	ask := func(address string, code int, patterns ...string) {
		t.Helper()
		r, _ := b.Exec(ctx, hsm7Path, "doctor", "--usbip", address) // the code is in r too
		if r.Code != code {
			t.Errorf("exit code %d, want %d", r.Code, code)
		}
		want(t, r.Stdout, patterns...)
	}
	r, _ := b.Exec(ctx, usbhsm7Path, "--ephemeral", "--attach")
	if want(t, r.Stderr, `vhci_hcd is not loaded`, `modprobe vhci-hcd`); r.Code != 6 {
		t.Errorf("usbhsm7 --attach without the module: exit code %d, want 6", r.Code)
	}
	ask(nowhere, 8, `-- server `, `-- kernel module +vhci_hcd is not loaded`, `sudo modprobe vhci-hcd`)
	ask(s.address, 0, `ok device +1-1 \(1209:0001\) is free`, `-- kernel module`, `(?m)^Open: usbip$`)
	b.run(ctx, t, "modprobe", "vhci_hcd")
	ask(s.address, 0, `ok kernel module`, `ok permission`, `ok free port`, `(?m)^Open: usbip, attach$`)
	r, _ = b.Run(ctx, lab.Command{Argv: []string{hsm7Path, "doctor", "--usbip", s.address}, User: nobodyID})
	want(t, r.Stdout, `-- permission +this user may not attach devices`, `as root`)
	b.run(ctx, t, hsm7Path, "attach", "--usbip", s.address)
	b.awaitDevice(ctx, t)
	ask(s.address, 0, `-- device +1-1 is in use`, `attached here, at port 0: use it with --via usb`,
		`ok device on the bus 1209:0001 at \S+, serial number `+serial, `(?m)^Open: usb$`)
	r, _ = b.Run(ctx, lab.Command{Argv: []string{hsm7Path, "doctor", "--usbip", nowhere}, User: nobodyID})
	if r.Code != 8 {
		t.Errorf("an ordinary user without a udev rule: exit code %d, want 8", r.Code)
	}
	want(t, r.Stdout, `-- permission +/dev/bus/usb/\S+ may not be opened`, `udev/rules\.d`)
	b.run(ctx, t, hsm7Path, "detach", "0")
	b.awaitNoDevice(ctx, t)
	return "without the module, without root, attached"
}
