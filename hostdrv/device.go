package hostdrv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv/transport"
)

// Options tune how a device is opened. The zero value is right for most.
type Options struct {
	// Client names the host software in the device's log; empty means "hostdrv".
	Client string

	// HelloTimeout is how long one HELLO waits for its answer before another
	// is sent; three are sent before Open gives up. 0 means 2 s.
	HelloTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Client == "" {
		o.Client = "hostdrv"
	}
	if o.HelloTimeout <= 0 {
		o.HelloTimeout = 2 * time.Second
	}
	return o
}

// Device is one opened HSM. All methods may be called by several goroutines.
type Device struct {
	options  Options
	bus      transport.Bus // nil if opened over a given link
	selector transport.Selector

	reconnecting sync.Mutex // held by the one Reconnect or Close that is under way

	mu     sync.Mutex // guards what follows
	conn   *conn
	closed bool
}

// Open starts the protocol on link: it says HELLO, discarding what an earlier
// host left unread, and learns what the device can do. The Device owns link
// from then on, and also when Open fails.
//
// Errors wrap ErrNoAnswer if the device is silent, transport.ErrDisconnected if
// it goes away, command.StatusIncompatible if it speaks no common version of
// the protocol, ErrProtocol if its answer makes no sense, or the context's
// error.
func Open(ctx context.Context, link transport.Link, options Options) (*Device, error) {
	options = options.withDefaults()
	c, err := connect(ctx, link, options)
	if err != nil {
		return nil, err
	}
	return &Device{options: options, conn: c}, nil
}

// Dial opens the first device on bus that selector matches. In addition to
// those of Open, errors wrap transport.ErrNotFound, ErrBusy or ErrPermission.
func Dial(ctx context.Context, bus transport.Bus, selector transport.Selector, options Options) (*Device, error) {
	link, err := bus.Open(ctx, selector)
	if err != nil {
		return nil, err
	}
	serial := link.Info().Serial
	d, err := Open(ctx, link, options)
	if err != nil {
		return nil, err
	}
	d.bus, d.selector = bus, selector
	if serial != "" { // reconnect to this very device, wherever it is plugged in
		d.selector.Serial, d.selector.Path = serial, ""
	}
	return d, nil
}

// Reconnect opens the device again after its link has failed, or to start
// afresh: calls in flight fail, and sessions opened before are lost. Only a
// Device made by Dial can reconnect; for others the error wraps
// errors.ErrUnsupported. If it fails the Device keeps its old, dead link and
// Reconnect may be called again.
func (d *Device) Reconnect(ctx context.Context) error {
	d.reconnecting.Lock()
	defer d.reconnecting.Unlock()
	old, err := d.current()
	if err != nil {
		return err
	}
	if d.bus == nil {
		return fmt.Errorf("reconnect: the device was opened over a given link: %w", errors.ErrUnsupported)
	}
	old.close(errReconnecting)
	link, err := d.bus.Open(ctx, d.selector)
	if err != nil {
		return fmt.Errorf("reconnect: %w", err)
	}
	c, err := connect(ctx, link, d.options)
	if err != nil {
		return fmt.Errorf("reconnect: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = c
	return nil
}

// Close ends every call in flight with transport.ErrClosed, takes leave of the
// device, which closes this host's sessions, and releases it. It returns when
// nothing of the driver is running any more, and may be called more than once.
func (d *Device) Close() error {
	d.reconnecting.Lock()
	defer d.reconnecting.Unlock()
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	return d.conn.close(transport.ErrClosed)
}

// LinkInfo tells which device this is and where it was found.
func (d *Device) LinkInfo() transport.Info { return d.peek().link.Info() }

// Capabilities returns the device's answer to HELLO.
func (d *Device) Capabilities() command.HelloResponse { return d.peek().capabilities }

// Info returns the state, identity and storage of the device.
func (d *Device) Info(ctx context.Context) (command.InfoResponse, error) {
	return ask[command.InfoResponse](ctx, d, command.CodeInfo, nil)
}

// Echo returns data after a trip through the device. It tests the link.
func (d *Device) Echo(ctx context.Context, data []byte) ([]byte, error) {
	resp, err := ask[command.Echo](ctx, d, command.CodeEcho, &command.Echo{Data: data})
	return resp.Data, err
}

// Mechanisms lists what the device can do, ordered by type.
func (d *Device) Mechanisms(ctx context.Context) ([]command.MechanismInfo, error) {
	resp, err := ask[command.MechanismsResponse](ctx, d, command.CodeMechanisms, nil)
	return resp.Mechanisms, err
}

// NextEvent waits for the device's next event. Events wait in the device
// while nobody asks; if it has to drop some it says so with
// command.EventEventsDropped. Each event goes to one caller.
func (d *Device) NextEvent(ctx context.Context) (command.Event, error) {
	c, err := d.current()
	if err != nil {
		return command.Event{}, err
	}
	return c.nextEvent(ctx)
}

// SessionOptions say what kind of session to open.
type SessionOptions struct {
	ReadOnly bool // commands that change durable state are refused
}

// OpenSession opens a session with slot. command.Role.Slot tells which slot a
// role logs in to.
func (d *Device) OpenSession(ctx context.Context, slot command.Slot, options SessionOptions) (*Session, error) {
	c, err := d.current()
	if err != nil {
		return nil, err
	}
	var resp command.SessionOpenResponse
	req := &command.SessionOpenRequest{Slot: slot, ReadOnly: options.ReadOnly}
	if err := c.call(ctx, command.CodeSessionOpen, 0, req, &resp); err != nil {
		return nil, err
	}
	return &Session{device: d, conn: c, handle: resp.Session, slot: slot}, nil
}

// peek returns the connection, alive or not.
func (d *Device) peek() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn
}

// current returns the connection unless the Device was closed.
func (d *Device) current() (*conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, transport.ErrClosed
	}
	return d.conn, nil
}

// route implements caller: commands outside a session use session 0.
func (d *Device) route() (*conn, uint32, error) {
	c, err := d.current()
	return c, 0, err
}
