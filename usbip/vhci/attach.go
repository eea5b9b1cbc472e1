package vhci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/socket"
)

// pollInterval is how often Wait looks at sysfs, which notifies nobody.
const pollInterval = 10 * time.Millisecond

// Attach imports the device busID from the USB/IP server at addr ("host:port" or
// "unix:/path", see package socket) and hands the connection to the kernel. It
// returns as soon as the kernel has the device; Wait waits until it can be used.
// Errors: those of Available, ErrNoPort, those of [client.Import], and what kept
// the connection from being made. An error leaves nothing attached.
func (c Controller) Attach(ctx context.Context, addr, busID string) (Port, error) {
	port, err := c.attach(ctx, addr, busID)
	if err != nil {
		return Port{}, c.failed(err, addr, busID)
	}
	return port, nil
}

// failed puts an error of attaching into words. A device in use may be in use
// here.
func (c Controller) failed(err error, addr, busID string) error {
	err = fmt.Errorf("attach %s from %s: %w", busID, addr, err)
	if !errors.Is(err, client.ErrBusy) {
		return err
	}
	ports, _ := c.Ports() // none, if they cannot be read
	for _, p := range ports {
		if p.Address == addr && p.BusID == busID {
			return fmt.Errorf("%w: it is attached to this machine already, at port %d", err, p.Number)
		}
	}
	return err
}

func (c Controller) attach(ctx context.Context, addr, busID string) (Port, error) {
	if err := c.Available(); err != nil {
		return Port{}, err // before the server marks the device as taken
	}
	conn, err := socket.Dial(ctx, addr, nil)
	if err != nil {
		return Port{}, err
	}
	defer conn.Close() // once the kernel has the socket, it holds it
	remote, err := client.Handshake(ctx, conn, busID)
	if err != nil {
		return Port{}, err
	}
	return c.plug(conn, remote, addr)
}

// plug hands a socket whose handshake is done to the kernel, and notes that its
// device comes from addr.
func (c Controller) plug(conn net.Conn, remote proto.Device, addr string) (Port, error) {
	port, err := c.offer(conn, remote)
	if err != nil {
		return Port{}, err
	}
	if err := writeNote(c.note(port.Number), addr, remote.BusID); err != nil {
		return Port{}, errors.Join(fmt.Errorf("note the port for 'usbip port': %w", err), c.Detach(port.Number))
	}
	port.Address, port.BusID = addr, remote.BusID
	return port, nil
}

// offer hands the socket to the first port that takes it: another process may
// take a port between our look and our write.
func (c Controller) offer(conn net.Conn, remote proto.Device) (Port, error) {
	ports, err := c.AllPorts()
	if err != nil {
		return Port{}, err
	}
	hub := hubFor(remote.Speed)
	for _, p := range ports {
		if p.Hub != hub || p.Status != StatusFree {
			continue
		}
		err := c.hand(conn, p.Number, remote)
		if errors.Is(err, syscall.EBUSY) {
			continue
		}
		if err != nil {
			return Port{}, explain(err)
		}
		p.Status, p.Speed, p.DevID = StatusNotAssigned, remote.Speed, remote.DevID()
		return p, nil
	}
	return Port{}, fmt.Errorf("%w of the %s hub: detach something first", ErrNoPort, hub)
}

// hand writes "port sockfd devid speed". The kernel takes a reference of its
// own to the socket, so ours can be closed afterwards. It takes any stream
// socket, TCP or Unix.
func (c Controller) hand(conn net.Conn, port int, remote proto.Device) error {
	stream, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("the kernel cannot use a %T: %w", conn, errors.ErrUnsupported)
	}
	raw, err := stream.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = c.write("attach", fmt.Sprintf("%d %d %d %d", port, fd, remote.DevID(), remote.Speed))
	})
	return errors.Join(err, failed)
}

// Detach takes the device off the port. Programs that use it see it unplugged.
// Errors: ErrNotAttached, where the device is gone already, and those of
// Available.
func (c Controller) Detach(port int) error {
	p, err := c.port(port)
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	if p.Status == StatusFree {
		return errors.Join(fmt.Errorf("detach: port %d: %w", port, ErrNotAttached), c.removeNote(port))
	}
	err = c.write("detach", fmt.Sprint(port))
	if err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: it went by itself meanwhile
		return fmt.Errorf("detach: port %d: %w", port, explain(err))
	}
	return c.removeNote(port)
}

// removeNote removes what attach noted for the usbip tool.
func (c Controller) removeNote(port int) error {
	if err := os.Remove(c.note(port)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("detach: port %d is free, but %w", port, err)
	}
	return nil
}

// Wait waits until the kernel has enumerated and configured the device on the
// port, so that programs can open it, and returns the port with Local set. It
// wraps ErrGone if the device goes away instead: the kernel's log then says
// why.
func (c Controller) Wait(ctx context.Context, port int) (Port, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		p, err := c.port(port)
		if err != nil {
			return p, err
		}
		switch {
		case p.Status == StatusFree || p.Status == StatusError:
			return p, fmt.Errorf("port %d: %w (see dmesg)", port, ErrGone)
		case p.Status == StatusUsed && c.configured(p.Local):
			return p, nil
		}
		select {
		case <-ctx.Done():
			return p, fmt.Errorf("port %d: the kernel has not configured the device: %w (see dmesg)", port, ctx.Err())
		case <-tick.C:
		}
	}
}

// configured reports whether a configuration of the local device is in force:
// bConfigurationValue is an empty line until then.
func (c Controller) configured(local string) bool {
	if local == "" {
		return false
	}
	value, err := os.ReadFile(c.sysfs("bus", "usb", "devices", local, "bConfigurationValue"))
	return err == nil && len(value) > 1
}

// Ports lists the ports of this machine that are in use. See [Controller.Ports].
func Ports() ([]Port, error) { return Controller{}.Ports() }

// Attach attaches a device to this machine. See [Controller.Attach].
func Attach(ctx context.Context, addr, busID string) (Port, error) {
	return Controller{}.Attach(ctx, addr, busID)
}

// Wait waits for an attached device. See [Controller.Wait].
func Wait(ctx context.Context, port int) (Port, error) { return Controller{}.Wait(ctx, port) }

// Detach takes a device off this machine. See [Controller.Detach].
func Detach(port int) error { return Controller{}.Detach(port) }
