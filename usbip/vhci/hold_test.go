package vhci

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/socket/labca"
	"usbhsm7/usbip/usb"
)

// kernel plays the part of vhci_hcd's first port: it takes the socket that is
// written to attach, and lets go of it when the port is written to detach.
type kernel struct {
	t          *testing.T
	controller Controller
	conn       net.Conn // nil = the port is free
}

// newKernel returns a controller that hands its sockets to the kernel it comes
// with.
func newKernel(t *testing.T) (*kernel, Controller) {
	k := &kernel{t: t, controller: fake(t, status0)}
	c := k.controller
	c.refuse = k.written
	t.Cleanup(func() {
		if k.conn != nil {
			k.conn.Close()
		}
	})
	return k, c
}

func (k *kernel) written(name, line string) error {
	if name == "detach" {
		k.drop()
		return nil
	}
	var port, fd, id, speed int
	if _, err := fmt.Sscan(line, &port, &fd, &id, &speed); err != nil {
		return syscall.EINVAL
	}
	own, err := syscall.Dup(fd) // a reference of its own
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(own), "socket")
	defer file.Close()
	k.conn, err = net.FileConn(file)
	put(k.t, k.controller.attribute("status"), strings.Replace(status0, "0000 004 000 00000000", fmt.Sprintf("0000 006 003 %08x", id), 1))
	return err
}

// drop frees the port, as the kernel does: it shuts the socket down both ways,
// whoever else may have it.
func (k *kernel) drop() {
	end := k.conn.(duplex)
	if reader, ok := end.(interface{ CloseRead() error }); ok {
		_ = reader.CloseRead()
	}
	_ = end.CloseWrite()
	end.Close()
	k.conn = nil
	put(k.t, k.controller.attribute("status"), status0)
}

// asks reads the device descriptor through the socket that the kernel got.
func (k *kernel) asks(devID uint32) {
	k.t.Helper()
	request := proto.Submit{Seq: 7, DevID: devID, In: true, Length: 18, Setup: usb.Setup{
		RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: 0x0100, Length: 18,
	}}
	if _, err := k.conn.Write(request.Append(nil)); err != nil {
		k.t.Fatal(err)
	}
	reply := make([]byte, proto.HeaderSize+18)
	if _, err := io.ReadFull(k.conn, reply); err != nil {
		k.t.Fatal(err)
	}
	if want := []byte{18, 1}; !bytes.HasPrefix(reply[proto.HeaderSize:], want) {
		k.t.Errorf("the device descriptor is %x", reply[proto.HeaderSize:])
	}
}

// remotes are devices in every place that Hold reaches.
func remotes(t *testing.T) map[string]func(t *testing.T) (Remote, *usb.Device) {
	dir := t.TempDir()
	if err := labca.Write(dir, labca.Plan{}); err != nil {
		t.Fatal(err)
	}
	config := func(name string, make func(socket.Identity) (*tls.Config, error)) *tls.Config {
		c, err := make(socket.Identity{
			Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.pem"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, theirs := config("server", socket.Identity.Server), config("client", socket.Identity.Client)
	at := func(address string, ours, theirs *tls.Config) func(t *testing.T) (Remote, *usb.Device) {
		return func(t *testing.T) (Remote, *usb.Device) {
			addr, device := serveOn(t, address, ours)
			return Remote{Address: addr, BusID: "1-1", TLS: theirs}, device
		}
	}
	return map[string]func(t *testing.T) (Remote, *usb.Device){
		"TCP":           at("127.0.0.1:0", nil, nil),
		"a Unix socket": at("unix:"+filepath.Join(dir, "s"), nil, nil),
		"TLS":           at("127.0.0.1:0", ours, theirs),
		"TLS, Unix":     at("unix:"+filepath.Join(dir, "t"), ours, theirs),
	}
}

func TestKernelReachesADeviceThatIsHeld(t *testing.T) {
	for name, serve := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			remote, _ := serve(t)
			k, c := newKernel(t)
			a, err := c.Hold(t.Context(), remote)
			if err != nil {
				t.Fatal(err)
			}
			k.asks(a.Port().DevID)
			if note := content(t, c.note(0)); !strings.HasSuffix(note, " 1-1\n") {
				t.Errorf("note for 'usbip port' is %q", note)
			}
			if err := a.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if k.conn != nil {
				t.Error("the device is still attached")
			}
			if _, err := os.Stat(c.note(0)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the note is left: %v", err)
			}
		})
	}
}

func TestHeldDeviceIsLostWhoeverEndsIt(t *testing.T) {
	ends := map[string]func(*kernel, *usb.Device){
		"the device unplugs":         func(_ *kernel, d *usb.Device) { d.Unplug() },
		"somebody detaches the port": func(k *kernel, _ *usb.Device) { k.drop() },
	}
	for name, serve := range remotes(t) {
		for how, end := range ends {
			t.Run(name+": "+how, func(t *testing.T) {
				remote, device := serve(t)
				k, c := newKernel(t)
				a, err := c.Hold(t.Context(), remote)
				if err != nil {
					t.Fatal(err)
				}
				k.asks(a.Port().DevID)
				end(k, device)
				<-a.Lost()
				if k.conn != nil { // the kernel sees the end too
					if n, err := k.conn.Read(make([]byte, 1)); n != 0 || err == nil {
						t.Errorf("the kernel reads %d bytes, %v", n, err)
					}
					k.drop()
				}
				if err := a.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestCloseLeavesThePortToWhoeverTookIt(t *testing.T) {
	addr, device := serve(t)
	k, c := newKernel(t)
	a, err := c.Hold(t.Context(), Remote{Address: addr, BusID: "1-1"})
	if err != nil {
		t.Fatal(err)
	}
	device.Unplug()
	<-a.Lost()
	put(t, c.attribute("status"), strings.Replace(status0, "0000 004 000 00000000", "0000 006 003 00050005", 1))
	put(t, c.note(0), "192.0.2.9 3240 5-5\n")
	conn := k.conn
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if k.conn != conn || content(t, c.note(0)) != "192.0.2.9 3240 5-5\n" {
		t.Error("another's device was detached, or its note removed")
	}
}

func TestCloseWaitsUntilThePortIsFree(t *testing.T) {
	c := fake(t, strings.Replace(status0, "0000 004 000 00000000", "0000 005 003 00010001", 1))
	was := Port{Number: 0, DevID: 0x10001, Address: "192.0.2.1:3240", BusID: "1-1"}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*pollInterval)
		defer cancel()
		if err := c.settle(ctx, was); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "dmesg") {
			t.Errorf("a port that stays in use: %v", err)
		}
		settled := make(chan error, 1)
		go func() { settled <- c.settle(t.Context(), was) }()
		synctest.Wait()
		put(t, c.attribute("status"), status0)
		if err := <-settled; err != nil {
			t.Error(err)
		}
	})
	if err := os.RemoveAll(c.sysfs("devices")); err != nil {
		t.Fatal(err)
	}
	if err := c.settle(t.Context(), was); err != nil {
		t.Errorf("a module that was unloaded: %v", err)
	}
}

func TestHoldErrorsLeaveNothingBehind(t *testing.T) {
	for name, serve := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			remote, device := serve(t)
			_, c := newKernel(t)
			other := remote
			other.BusID = "9-9"
			if _, err := c.Hold(t.Context(), other); !errors.Is(err, client.ErrNoDevice) {
				t.Errorf("unknown device: %v", err)
			}
			broken := remote
			broken.Dial = func(context.Context) (net.Conn, error) { return nil, io.ErrClosedPipe }
			if _, err := c.Hold(t.Context(), broken); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("no connection: %v", err)
			}
			device.Unplug()
			if _, err := c.Hold(t.Context(), remote); !errors.Is(err, client.ErrNoDevice) {
				t.Errorf("unplugged device: %v", err)
			}
			device.Plug()
			c.refuse = func(string, string) error { return syscall.EINVAL }
			if _, err := c.Hold(t.Context(), remote); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), remote.Address) {
				t.Errorf("kernel that refuses: %v", err)
			}
		})
	}
}
