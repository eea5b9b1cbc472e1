package vhci

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/socket"
)

// Remote says which device of which server is meant.
type Remote struct {
	Address string      // "host:port" or "unix:/path", see package socket
	BusID   string      // of the device at the server
	TLS     *tls.Config // nil = plain

	// Dial, if not nil, makes the connection; Address is then only what the
	// port is noted under. A server in this process serves one end of a
	// [socket.Pair] and returns the other.
	Dial func(context.Context) (net.Conn, error)
}

func (r Remote) dial(ctx context.Context) (net.Conn, error) {
	if r.Dial != nil {
		return r.Dial(ctx)
	}
	return socket.Dial(ctx, r.Address, r.TLS)
}

// Attachment is a device that the kernel has from this process. It lasts until
// the device is gone or Close; over TLS, which the kernel does not speak, it
// also ends with this process, for that carries the bytes.
type Attachment struct {
	controller Controller
	port       Port
	lost       chan struct{}
	stop       context.CancelFunc
	work       sync.WaitGroup
}

// Hold is Attach for a caller that stays: it tells when the device is gone, and
// the connection may be one that the kernel cannot use itself. Errors are those
// of Attach, and socket.ErrTLS.
func (c Controller) Hold(ctx context.Context, r Remote) (*Attachment, error) {
	a, err := c.hold(ctx, r)
	if err != nil {
		return nil, c.failed(err, r.Address, r.BusID)
	}
	return a, nil
}

func (c Controller) hold(ctx context.Context, r Remote) (*Attachment, error) {
	if err := c.Available(); err != nil {
		return nil, err // before the server marks the device as taken
	}
	conn, err := r.dial(ctx)
	if err != nil {
		return nil, err
	}
	remote, err := client.Handshake(ctx, conn, r.BusID)
	if err != nil {
		conn.Close()
		return nil, err
	}
	ours, kernels, err := ends(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	port, err := c.plug(kernels, remote, r.Address)
	if kernels != ours {
		kernels.Close() // the kernel holds it
	}
	if err != nil {
		ours.Close()
		conn.Close()
		return nil, err
	}
	a := &Attachment{controller: c, port: port, lost: make(chan struct{})}
	a.keep(ours, conn)
	return a, nil
}

// ends returns the socket on which this process sees the kernel leave, and the
// one that the kernel gets: the same, if the kernel can use the connection, and
// otherwise two that are connected to each other.
func ends(conn net.Conn) (ours, kernels net.Conn, err error) {
	if _, usable := conn.(syscall.Conn); usable {
		return conn, conn, nil
	}
	a, b, err := socket.Pair()
	if err != nil {
		return nil, nil, fmt.Errorf("make sockets between this process and the kernel: %w", err)
	}
	return a, b, nil
}

// keep watches our socket until the device is gone or stop, and carries bytes
// between it and conn if they are two, which ends when either of them does.
func (a *Attachment) keep(ours, conn net.Conn) {
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	var carried sync.WaitGroup
	if ours != conn {
		carried.Go(func() { relay(ours.(duplex), conn.(duplex), stop) })
	}
	a.work.Go(func() {
		defer stop()
		hangUp(ctx, ours.(syscall.Conn))
		close(a.lost)
		limit(ours, conn)
		carried.Wait()
		conn.Close()
		ours.Close()
	})
}

// Port returns what Attach returns.
func (a *Attachment) Port() Port { return a.port }

// Lost is closed when the connection has ended, whoever ended it: the server, the
// network, or someone who detached the port.
func (a *Attachment) Lost() <-chan struct{} { return a.lost }

// Close detaches the device, unless that has happened already, and waits until
// the kernel has freed the port or ctx ends.
func (a *Attachment) Close(ctx context.Context) error {
	var err error
	select {
	case <-a.lost: // the port may be another's by now
	default:
		err = a.controller.Detach(a.port.Number)
	}
	if errors.Is(err, ErrNotAttached) {
		err = nil
	}
	a.stop()
	a.work.Wait()
	return errors.Join(err, a.controller.settle(ctx, a.port))
}

// taken reports whether the port has another device than it had. A note may be
// missing: it is removed before the port is free.
func (p Port) taken(was Port) bool {
	return p.DevID != was.DevID || p.Address != "" && (p.Address != was.Address || p.BusID != was.BusID)
}

// settle waits until the port is free, or another's, and removes the note of a
// free one.
func (c Controller) settle(ctx context.Context, was Port) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		p, err := c.port(was.Number)
		switch {
		case errors.Is(err, ErrNoModule):
			return nil
		case err != nil:
			return err
		case p.Status == StatusFree:
			return c.removeNote(p.Number)
		case p.taken(was):
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("port %d: the kernel has not freed it: %w (see dmesg)", was.Number, ctx.Err())
		case <-tick.C:
		}
	}
}
