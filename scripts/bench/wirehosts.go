package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// wire is a USB/IP server on the loopback interface and on a Unix socket. It
// exports one device for each host that is measured.
type wire struct {
	server    *server.Server
	addresses map[string]string // by network
	exported  int
	closers   []func() error
}

func newWire() (w *wire, err error) {
	w = &wire{server: server.New(server.Options{}), addresses: map[string]string{}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, func() error { return os.RemoveAll(dir) })
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(dir, "usbip")} {
		listener, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		w.addresses[network] = listener.Addr().String()
		w.closers = append(w.closers, serveOn(w.server, listener))
	}
	return w, nil
}

func (w *wire) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		_ = w.closers[i]()
	}
}

// export exports p under the next bus ID.
func (w *wire) export(p usb.Port) (busID string, err error) {
	w.exported++
	busID = fmt.Sprintf("1-%d", w.exported)
	return busID, w.server.Export(busID, p)
}

// peripheral returns a device whose function always has data and always takes
// some.
func (w *wire) peripheral() (usb.Port, error) {
	d, err := usb.NewDevice(usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001,
		Configurations: []usb.Configuration{{Value: 1, Interfaces: []usb.Interface{{Class: 0xFF, Endpoints: []usb.Endpoint{
			{Address: 0x01, Type: usb.Bulk, MaxPacketSize: 512},
			{Address: 0x81, Type: usb.Bulk, MaxPacketSize: 512},
			{Address: 0x82, Type: usb.Interrupt, MaxPacketSize: 64, Interval: 4}, // never has anything
		}}}}},
	}, nil)
	if err != nil {
		return nil, err
	}
	from, to := make([]byte, bulkSize-1), make([]byte, bulkSize)
	w.function(func(ctx context.Context) { _, _ = d.Out(0x01).Read(ctx, to) })
	w.function(func(ctx context.Context) { _ = d.In(0x81).Write(ctx, from) })
	return d, nil
}

// function repeats transfer until the wire is taken down. Resets and overruns do
// not matter to a sink or a source.
func (w *wire) function(transfer func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			transfer(ctx)
		}
	}()
	w.closers = append(w.closers, func() error {
		stop()
		<-ended
		return nil
	})
}

// configure is the request without which a device has no endpoints.
var configure = usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}}

// imported returns p, exported, imported by the client and configured.
func (w *wire) imported(network string, p usb.Port) (*client.Device, error) {
	conn, busID, err := w.dial(network, p)
	if err != nil {
		return nil, err
	}
	device, err := client.ImportConn(context.Background(), conn, busID)
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, device.Close)
	return device, submitters(device, configure, 1)(0)
}

// dial exports p and connects to the server.
func (w *wire) dial(network string, p usb.Port) (net.Conn, string, error) {
	busID, err := w.export(p)
	if err != nil {
		return nil, "", err
	}
	conn, err := net.Dial(network, w.addresses[network])
	return conn, busID, err
}

// clientLoad repeats u over the client, with one caller for each URB.
func (w *wire) clientLoad(network string, u usb.URB, depth int) (load, error) {
	p, err := w.peripheral()
	if err != nil {
		return load{}, err
	}
	device, err := w.imported(network, p)
	if err != nil {
		return load{}, err
	}
	return load{callers: depth, do: submitters(device, u, depth)}, nil
}

// submitters returns what submits a copy of u and waits for it, with one for
// each caller.
func submitters(d *client.Device, u usb.URB, callers int) func(int) error {
	urbs, done := make([]usb.URB, callers), make([]chan struct{}, callers)
	for i := range callers {
		done[i], urbs[i] = make(chan struct{}, 1), u
		urbs[i].Buffer = make([]byte, len(u.Buffer))
		urbs[i].Done = func(*usb.URB) { done[i] <- struct{}{} }
	}
	return func(caller int) error {
		d.Submit(&urbs[caller])
		<-done[caller]
		return urbs[caller].Status.Err()
	}
}

// rawHost does what must be done to repeat one URB and no more: it sends
// prepared requests, all that are due in one write, and counts the replies.
type rawHost struct {
	conn     net.Conn
	in       *bufio.Reader
	requests []byte // of all sequence numbers, twice
	size     int    // of one request
	reply    bool   // replies have data
	depth    int
	next     int // sequence number that is sent next
	owed     int // requests that are due
}

// rawLoad repeats u over a rawHost. One call is depth round trips.
func (w *wire) rawLoad(network string, u usb.URB, depth int) (load, error) {
	p, err := w.peripheral()
	if err != nil {
		return load{}, err
	}
	conn, busID, err := w.dial(network, p)
	if err != nil {
		return load{}, err
	}
	w.closers = append(w.closers, conn.Close)
	remote, err := client.Handshake(context.Background(), conn, busID)
	if err != nil {
		return load{}, err
	}
	if err := newRawHost(conn, remote.DevID(), configure, 1).exchange(0); err != nil {
		return load{}, err
	}
	l := load{do: newRawHost(conn, remote.DevID(), u, depth).exchange}
	if depth > 1 {
		l.units = float64(depth)
	}
	return l, nil
}

func newRawHost(conn net.Conn, devID uint32, u usb.URB, depth int) *rawHost {
	h := &rawHost{conn: conn, depth: depth, owed: depth, reply: u.In()}
	for i := range 2 * depth {
		s := proto.Submit{
			Seq: uint32(i % depth), DevID: devID, In: u.In(), Endpoint: uint32(u.Number()),
			Length: int32(len(u.Buffer)), Setup: u.Setup,
		}
		h.requests = s.Append(h.requests)
		if !u.In() {
			h.requests = append(h.requests, u.Buffer...)
		}
	}
	h.size = len(h.requests) / (2 * depth)
	h.in = bufio.NewReaderSize(h, 256<<10)
	return h
}

// Read sends what is due and receives what is there.
func (h *rawHost) Read(p []byte) (int, error) {
	if h.owed > 0 {
		due := h.requests[h.next*h.size:][:h.owed*h.size]
		h.next, h.owed = (h.next+h.owed)%h.depth, 0
		if _, err := h.conn.Write(due); err != nil {
			return 0, err
		}
	}
	return h.conn.Read(p)
}

// exchange takes depth replies; a request is due for each.
func (h *rawHost) exchange(int) error {
	for range h.depth {
		header, err := h.in.Peek(headerSize)
		if err != nil {
			return err
		}
		if status := binary.BigEndian.Uint32(header[20:]); status != 0 {
			return errors.New("a URB failed")
		}
		length := headerSize
		if h.reply {
			length += int(binary.BigEndian.Uint32(header[24:]))
		}
		if _, err := h.in.Discard(length); err != nil {
			return err
		}
		h.owed++
	}
	return nil
}
