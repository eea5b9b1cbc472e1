//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usbhsm7/scripts/lab"
)

func ownAttach(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	r := b.run(ctx, t, hsm7Path, "attach", "--usbip", s.address)
	local, _ := b.awaitDevice(ctx, t)
	want(t, r.Stdout, `^port 0: `+local+` from `)
	want(t, b.run(ctx, t, hsm7Path, "ports").Stdout, `port 0: `+local+` from 10\.0\.2\.2:`+s.port+` bus ID 1-1, high speed, in use`)
	_, shown := b.port(ctx, t)
	want(t, shown, local+` -> usbip://10\.0\.2\.2:`+s.port+`/1-1`)
	want(t, b.refused(ctx, t, hsm7Path, "attach", "--usbip", s.address), `in use`)
	d := b.run(ctx, t, hsm7Path, "detach", "0")
	b.awaitNoDevice(ctx, t)
	b.noPort(ctx, t)
	want(t, b.refused(ctx, t, hsm7Path, "detach", "0"), `nothing is attached`)
	return fmt.Sprintf("attached and configured in %s, detached in %s", milliseconds(r.Took), milliseconds(d.Took))
}

func ownAndStock(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	b.run(ctx, t, hsm7Path, "attach", "--usbip", s.address)
	number, _ := b.port(ctx, t)
	b.run(ctx, t, "usbip", "detach", "-p", number)
	b.awaitNoDevice(ctx, t)
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	number, _ = b.port(ctx, t)
	b.run(ctx, t, hsm7Path, "detach", number)
	b.awaitNoDevice(ctx, t)
	b.noPort(ctx, t)
	return "both ways"
}

func ownWithoutModule(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	b.run(ctx, t, "rmmod", "vhci_hcd")
	said := b.refused(ctx, t, hsm7Path, "attach", "--usbip", s.address)
	b.run(ctx, t, "modprobe", "vhci_hcd")
	want(t, said, `vhci_hcd is not loaded`, `modprobe vhci-hcd`)
	b.run(ctx, t, hsm7Path, "attach", "--usbip", s.address) // the module is back, and the device was not left busy
	return strings.TrimSpace(said)
}

// nobodyID is the number of the user who may do nothing.
const nobodyID = 65534

func ownAsUser(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	asUser := func(arguments ...string) lab.Result {
		r, _ := b.Run(ctx, lab.Command{Argv: append([]string{hsm7Path}, arguments...), User: nobodyID}) // the code is in r too
		return r
	}
	refused := asUser("attach", "--usbip", s.address)
	if refused.Code == 0 {
		t.Error("an ordinary user may attach devices to the kernel")
	}
	want(t, refused.Stderr, `no permission`, `sudo`)
	s.attach(ctx, t, b) // the device was not left busy
	local, _ := b.awaitDevice(ctx, t)
	want(t, asUser("ports").Stdout, `port 0: `+local)
	return strings.TrimSpace(refused.Stderr)
}

// gousbConformance runs the tests that every transport passes.
func gousbConformance(ctx context.Context, t *testing.T, b *bench) string {
	return b.hardwareTest(ctx, t, "TestConformance")
}

// gousbDriver runs the tests that the driver passes over every transport.
func gousbDriver(ctx context.Context, t *testing.T, b *bench) string {
	return b.hardwareTest(ctx, t, "TestDriver")
}

// hardwareTest runs a test of the gousb transport, compiled with the tag
// hardware, in the guest.
func (b *bench) hardwareTest(ctx context.Context, t *testing.T, name string) string {
	t.Helper()
	s := plugIn(t)
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	plug := "usbip --tcp-port " + s.port + " attach -r " + lab.HostAddress + " -b " + busID
	return b.testAttached(ctx, t, name, "usbip detach -p 0", plug, "HSM7_TEST_ATTENDED=yes")
}

// testAttached is hardwareTest for a device that is attached already; unplug and
// plug are the commands that take it off the bus and put it back.
func (b *bench) testAttached(ctx context.Context, t *testing.T, name, unplug, plug string, env ...string) string {
	t.Helper()
	r, err := b.Run(ctx, lab.Command{
		Argv: []string{gousbPath, "-test.v", "-test.run", "^" + name + "$", "-test.timeout", "2m"},
		Env:  append(env, "HSM7_TEST_DEVICE="+serial, "HSM7_TEST_UNPLUG="+unplug, "HSM7_TEST_PLUG="+plug),
		Dir:  "/tmp",
	})
	passed := strings.Count(r.Stdout, "--- PASS: ")
	if err != nil || passed == 0 || strings.Contains(r.Stdout, "--- SKIP") {
		t.Errorf("exit code %d, %d tests passed:\n%s%s", r.Code, passed, r.Stdout, r.Stderr)
	}
	return fmt.Sprintf("%d tests passed in %.1f s", passed, r.Took.Seconds())
}

// passwords of the scenario, as hsm7 takes them.
var passwords = []string{
	"HSM7_VIA=usb",
	"HSM7_SO_PASSWORD=so-password", "HSM7_PO_PASSWORD=po-password", "HSM7_CO_PASSWORD=co-password",
}

// scenario sets the HSM up through the kernel's USB stack and libusb, and has
// OpenSSL judge what it signs.
func scenario(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	began := time.Now()
	hsm7 := func(arguments ...string) string {
		t.Helper()
		r, err := b.Run(ctx, lab.Command{Argv: append([]string{hsm7Path}, arguments...), Env: passwords, Dir: "/tmp"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Stdout
	}
	want(t, hsm7("list"), `usb +\S+ +1209:0001 .*`+serial)
	hsm7("hsm", "init", "--label", "lab", "--policy", "21=0") // first passwords stay
	hsm7("partition", "create")
	hsm7("partition", "init", "--label", "keys")
	hsm7("role", "init", "co")
	hsm7("key", "generate", "--type", "rsa-2048", "--label", "root")
	hsm7("key", "generate", "--type", "ec-p256", "--label", "signer")

	dir := t.TempDir()
	b.issue(ctx, t, dir, hsm7)
	b.signFile(ctx, t, dir, hsm7)
	return fmt.Sprintf("12 commands and OpenSSL's verdicts in %.1f s", time.Since(began).Seconds())
}

// issue certifies a request that OpenSSL made, and has OpenSSL accept the chain.
func (b *bench) issue(ctx context.Context, t *testing.T, dir string, hsm7 func(...string) string) {
	t.Helper()
	openssl(ctx, t, dir, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key",
		"-subj", "/CN=server.example", "-addext", "subjectAltName=DNS:server.example", "-out", "server.csr")
	b.send(ctx, t, dir, "server.csr")
	hsm7("cert", "root", "--key", "root", "--cn", "Lab Root", "--out", "root.pem")
	hsm7("cert", "issue", "--key", "root", "--ca", "root.pem", "--csr", "server.csr", "--out", "server.pem")
	b.fetch(ctx, t, dir, "root.pem", "server.pem")
	want(t, openssl(ctx, t, dir, "verify", "-x509_strict", "-CAfile", "root.pem", "server.pem"), `server\.pem: OK`)
}

// signFile signs a file of 100,000 bytes, and has OpenSSL accept the signature.
func (b *bench) signFile(ctx context.Context, t *testing.T, dir string, hsm7 func(...string) string) {
	t.Helper()
	text := strings.Repeat("signed\n", 100_000/7)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.send(ctx, t, dir, "file")
	hsm7("key", "public", "signer", "--out", "signer.pub")
	hsm7("sign", "--key", "signer", "--in", "file", "--out", "file.sig")
	b.fetch(ctx, t, dir, "signer.pub", "file.sig")
	want(t, openssl(ctx, t, dir, "dgst", "-sha256", "-verify", "signer.pub", "-signature", "file.sig", "file"), `Verified OK`)
}

// cExample runs the program that docs/protocol.md refers to.
func cExample(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	return strings.TrimSpace(b.run(ctx, t, examplePath).Stdout)
}

// send and fetch copy files between the host's folder dir and the guest's /tmp.
func (b *bench) send(ctx context.Context, t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Put(ctx, path.Join("/tmp", name), 0o644, content); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bench) fetch(ctx context.Context, t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		content, err := b.Get(ctx, path.Join("/tmp", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// openssl runs OpenSSL on the host.
func openssl(ctx context.Context, t *testing.T, dir string, arguments ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "openssl", arguments...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", arguments[0], err, out)
	}
	return string(out)
}
