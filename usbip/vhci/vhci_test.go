package vhci

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const heading = "hub port sta spd dev      sockfd local_busid\n"

// Two controllers, as Linux 6.1 shows them; ports 1 and 5 are in use.
const (
	status0 = heading +
		"hs  0000 004 000 00000000 000000 0-0\n" +
		"hs  0001 006 003 00010002 000007 1-2\n" +
		"ss  0002 004 000 00000000 000000 0-0\n" +
		"ss  0003 004 000 00000000 000000 0-0\n"
	status1 = heading +
		"hs  0004 004 000 00000000 000000 0-0\n" +
		"hs  0005 005 003 00010003 000009 0-0\n" +
		"ss  0006 004 000 00000000 000000 0-0\n" +
		"ss  0007 004 000 00000000 000000 0-0\n"
)

// fake returns a controller on a sysfs made of plain files.
func fake(t *testing.T, statuses ...string) Controller {
	t.Helper()
	c := Controller{Sysfs: t.TempDir(), State: filepath.Join(t.TempDir(), "vhci_hcd")}
	files := map[string]string{"attach": "", "detach": ""}
	for i, content := range statuses {
		name := "status"
		if i > 0 {
			name = fmt.Sprint("status.", i)
		}
		files[name] = content
	}
	for name, content := range files {
		put(t, c.attribute(name), content)
	}
	return c
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// serve exports one device as 1-1 over TCP and returns the server's address.
func serve(t *testing.T) (addr string, device *usb.Device) {
	t.Helper()
	return serveOn(t, "127.0.0.1:0", nil)
}

// serveOn exports one device as 1-1 on an address, with TLS if there is a config.
func serveOn(t *testing.T, address string, config *tls.Config) (addr string, device *usb.Device) {
	t.Helper()
	device, err := usb.NewDevice(usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 1,
		Configurations: []usb.Configuration{{Value: 1, Interfaces: []usb.Interface{{Class: 0xff}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{})
	if err := s.Export("1-1", device); err != nil {
		t.Fatal(err)
	}
	listener, err := socket.Listen(t.Context(), address, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	})
	return socket.Name(listener.Addr()), device
}

func TestPortsOfEveryControllerAreListed(t *testing.T) {
	c := fake(t, status0, status1)
	put(t, filepath.Join(c.State, "port1"), "192.0.2.1 3240 1-1\n")
	got, err := c.Ports()
	want := []Port{
		{Number: 1, Hub: HighSpeedHub, Status: StatusUsed, Speed: usb.SpeedHigh, DevID: 0x10002, Local: "1-2", Address: "192.0.2.1:3240", BusID: "1-1"},
		{Number: 5, Hub: HighSpeedHub, Status: StatusNotAssigned, Speed: usb.SpeedHigh, DevID: 0x10003},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("Ports = %+v, %v, want %+v", got, err, want)
	}
	if text := got[0].String(); text != "port 1: 1-2 from 192.0.2.1:3240 bus ID 1-1, high speed, in use" {
		t.Errorf("String = %q", text)
	}
}

func TestAttachHandsTheSocketToTheFirstFreePortOfTheRightHub(t *testing.T) {
	addr, _ := serve(t)
	c := fake(t, status0, status1)
	port, err := c.Attach(t.Context(), addr, "1-1")
	if err != nil {
		t.Fatal(err)
	}
	want := Port{Number: 0, Hub: HighSpeedHub, Status: StatusNotAssigned, Speed: usb.SpeedHigh, DevID: port.DevID, Address: addr, BusID: "1-1"}
	if port != want || port.DevID == 0 {
		t.Errorf("Attach = %+v, want %+v", port, want)
	}
	var number, socket, id, speed int
	line := content(t, c.attribute("attach"))
	if n, _ := fmt.Sscanf(line, "%d %d %d %d", &number, &socket, &id, &speed); n != 4 || number != 0 || uint32(id) != port.DevID || speed != 3 {
		t.Errorf("attach got %q, want port 0, a socket, device %d and speed 3", line, port.DevID)
	}
	host, service, _ := net.SplitHostPort(addr)
	if note := content(t, filepath.Join(c.State, "port0")); note != host+" "+service+" 1-1\n" {
		t.Errorf("note for 'usbip port' is %q", note)
	}
}

func TestAttachTakesAUnixSocket(t *testing.T) {
	addr, _ := serveOn(t, "unix:"+filepath.Join(t.TempDir(), "an hsm.sock"), nil)
	c := fake(t, status0)
	port, err := c.Attach(t.Context(), addr, "1-1")
	if err != nil || port.Address != addr {
		t.Fatalf("Attach = %+v, %v", port, err)
	}
	put(t, c.attribute("status"), strings.Replace(status0, "0000 004", "0000 006", 1))
	ports, err := c.Ports()
	if err != nil || ports[0].Address != addr || ports[0].BusID != "1-1" {
		t.Errorf("Ports = %+v, %v, want the first from %s bus ID 1-1", ports, err, addr)
	}
	if note := content(t, filepath.Join(c.State, "port0")); note != addr+" - 1-1\n" {
		t.Errorf("note for 'usbip port' is %q", note)
	}
}

func TestAttachGoesOnWhenAnotherProcessTakesThePort(t *testing.T) {
	addr, _ := serve(t)
	c := fake(t, status0, status1)
	c.refuse = func(name, line string) error {
		if name == "attach" && strings.HasPrefix(line, "0 ") {
			return syscall.EBUSY
		}
		return nil
	}
	port, err := c.Attach(t.Context(), addr, "1-1")
	if err != nil || port.Number != 4 {
		t.Errorf("Attach = port %d, %v, want port 4", port.Number, err)
	}
}

func TestAttachErrorsSayWhatIsMissing(t *testing.T) {
	full := strings.ReplaceAll(status0, " 004 ", " 006 ")
	for _, c := range []struct {
		name  string
		busID string
		setUp func(t *testing.T, c *Controller)
		want  error
		says  string
	}{
		{"module not loaded", "1-1", func(t *testing.T, c *Controller) {
			if err := os.RemoveAll(c.sysfs("devices")); err != nil {
				t.Fatal(err)
			}
		}, ErrNoModule, "modprobe vhci-hcd"},
		{"every port in use", "1-1", func(t *testing.T, c *Controller) {
			put(t, c.attribute("status"), full)
		}, ErrNoPort, "detach"},
		{"not root", "1-1", func(_ *testing.T, c *Controller) {
			c.refuse = func(string, string) error { return syscall.EACCES }
		}, ErrPermission, "sudo"},
		{"read-only sysfs", "1-1", func(_ *testing.T, c *Controller) {
			c.refuse = func(string, string) error { return syscall.EROFS }
		}, ErrPermission, "container"},
		{"kernel refuses", "1-1", func(_ *testing.T, c *Controller) {
			c.refuse = func(string, string) error { return syscall.EINVAL }
		}, syscall.EINVAL, "dmesg"},
		{"no such device", "9-9", func(*testing.T, *Controller) {}, client.ErrNoDevice, "9-9"},
		{"note cannot be written", "1-1", func(t *testing.T, c *Controller) {
			put(t, c.State, "a file where the folder should be")
		}, syscall.ENOTDIR, "usbip port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, _ := serve(t)
			controller := fake(t, status0)
			c.setUp(t, &controller)
			_, err := controller.Attach(t.Context(), addr, c.busID)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), addr) {
				t.Errorf("Attach: %v\nwant %v, and the words %q and %q", err, c.want, c.says, addr)
			}
		})
	}
}

func TestAttachOfABusyDeviceIsRefused(t *testing.T) {
	addr, device := serve(t)
	if _, err := device.Connect(); err != nil {
		t.Fatal(err)
	}
	c := fake(t, status0)
	if _, err := c.Attach(t.Context(), addr, "1-1"); !errors.Is(err, client.ErrBusy) {
		t.Errorf("Attach: %v, want %v", err, client.ErrBusy)
	}
	put(t, c.attribute("status"), strings.Replace(status0, "0000 004", "0000 006", 1))
	if err := writeNote(c.note(0), addr, "1-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Attach(t.Context(), addr, "1-1"); !errors.Is(err, client.ErrBusy) || !strings.Contains(err.Error(), "at port 0") {
		t.Errorf("Attach: %v, want %v and the port that has it", err, client.ErrBusy)
	}
	if line := content(t, c.attribute("attach")); line != "" {
		t.Errorf("the kernel got %q, want nothing", line)
	}
}

func TestAttachEndsWithItsContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := fake(t, status0).Attach(ctx, listener.Addr().String(), "1-1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Attach: %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestAttachWithoutAServerSaysSo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	_, err = fake(t, status0).Attach(t.Context(), listener.Addr().String(), "1-1")
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "USB/IP server") {
		t.Errorf("Attach: %v, want a refused connection to the USB/IP server", err)
	}
}

func TestDetach(t *testing.T) {
	for _, c := range []struct {
		name    string
		port    int
		answer  error // of the kernel
		want    error
		written string
		freed   bool // the port's note is removed
	}{
		{"used port", 1, nil, nil, "1", true},
		{"it went by itself meanwhile", 1, syscall.EINVAL, nil, "", true},
		{"free port", 0, nil, ErrNotAttached, "", true},
		{"no such port", 99, nil, ErrNotAttached, "", false},
		{"not root", 1, syscall.EACCES, ErrPermission, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			controller := fake(t, status0)
			controller.refuse = func(string, string) error { return c.answer }
			note := filepath.Join(controller.State, fmt.Sprintf("port%d", c.port))
			put(t, note, "192.0.2.1 3240 1-1\n")
			if err := controller.Detach(c.port); !errors.Is(err, c.want) {
				t.Errorf("Detach: %v, want %v", err, c.want)
			}
			if got := content(t, controller.attribute("detach")); got != c.written {
				t.Errorf("detach got %q, want %q", got, c.written)
			}
			_, err := os.Stat(note)
			if gone, want := errors.Is(err, os.ErrNotExist), c.freed; gone != want {
				t.Errorf("note gone: %t, want %t", gone, want)
			}
		})
	}
}

func TestWaitReturnsOnceTheDeviceIsConfigured(t *testing.T) {
	const line = "hs  0000 005 003 00010002 000007 0-0\n"
	c := fake(t, heading+line)
	configuration := c.sysfs("bus", "usb", "devices", "1-1", "bConfigurationValue")
	synctest.Test(t, func(t *testing.T) {
		type result struct {
			port Port
			err  error
		}
		waited := make(chan result, 1)
		go func() {
			p, err := c.Wait(t.Context(), 0)
			waited <- result{p, err}
		}()
		step := func(name, text string) {
			time.Sleep(3 * pollInterval)
			synctest.Wait()
			select {
			case r := <-waited:
				t.Fatalf("Wait returned before %s: %v, %v", name, r.port, r.err)
			default:
			}
			put(t, name, text)
		}
		step(configuration, "\n")
		step(c.attribute("status"), heading+"hs  0000 006 003 00010002 000007 1-1\n")
		step(configuration, "1\n")
		if r := <-waited; r.err != nil || r.port.Local != "1-1" {
			t.Errorf("Wait = %+v, %v, want local device 1-1", r.port, r.err)
		}
	})
}

func TestWaitReportsADeviceThatGoesAway(t *testing.T) {
	if _, err := fake(t, status0).Wait(t.Context(), 0); !errors.Is(err, ErrGone) {
		t.Errorf("Wait: %v, want %v", err, ErrGone)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fake(t, status0, status1).Wait(ctx, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v, want %v", err, context.Canceled)
	}
}

func TestAvailable(t *testing.T) {
	if err := fake(t, status0).Available(); err != nil {
		t.Errorf("Available: %v", err)
	}
	if err := (Controller{Sysfs: t.TempDir()}).Available(); !errors.Is(err, ErrNoModule) || !strings.Contains(err.Error(), "modprobe") {
		t.Errorf("Available without the module: %v, want %v and how to mend it", err, ErrNoModule)
	}
}
