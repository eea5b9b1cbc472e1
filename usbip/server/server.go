package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// Options are the limits of a Server. Zero fields take the value in brackets.
type Options struct {
	Logger           *slog.Logger  // [none]; addresses, bus IDs and reasons, never payload
	MaxConnections   int           // connections at a time that have no device; the oldest gives way to a newcomer [256]
	MaxPending       int           // URBs of one host that have no answer yet [1024]
	MaxPendingBytes  int           // memory for their data and for answers not yet sent [64 MiB]
	HandshakeTimeout time.Duration // for a new connection to say what it wants [5 s]
	UnlinkTimeout    time.Duration // that a host is silent when it has no SUBMIT for an UNLINK that came first [1 s]
	StallTimeout     time.Duration // that a host over its limits may go without any URB finishing [60 s]
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.MaxConnections, 256)
	setDefault(&o.MaxPending, 1024)
	setDefault(&o.MaxPendingBytes, 64<<20)
	setDefault(&o.HandshakeTimeout, 5*time.Second)
	setDefault(&o.UnlinkTimeout, time.Second)
	setDefault(&o.StallTimeout, time.Minute)
	return o
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Errors of Export.
var (
	// ErrBusID says that a bus ID is not 1 to 31 visible ASCII characters.
	ErrBusID = errors.New("invalid bus ID")
	// ErrExported says that the bus ID is taken.
	ErrExported = errors.New("bus ID is already exported")
	// ErrTooMany says that no bus and device number is free.
	ErrTooMany = errors.New("too many exported devices")
)

// Server exports devices. Its methods may be called from any goroutine, before,
// while and after it serves.
type Server struct {
	options      Options
	earlyUnlinks atomic.Uint64

	admission  admission
	complaints complaints

	mu      sync.Mutex
	exports map[string]*export
}

// export is one exported device. The server's lock guards it.
type export struct {
	port   usb.Port
	device proto.Device // without the identity, which may change
	host   *host        // nil = not imported
}

// host is one import of a device.
type host struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when the device is free again
}

// New returns a server that exports nothing yet.
func New(options Options) *Server {
	options = options.withDefaults()
	return &Server{
		options:   options,
		admission: admission{limit: options.MaxConnections},
		exports:   map[string]*export{},
	}
}

// EarlyUnlinks returns how many URBs hosts have cancelled before the server had
// seen them: their UNLINK came before their SUBMIT.
func (s *Server) EarlyUnlinks() uint64 { return s.earlyUnlinks.Load() }

const (
	maxBus    = 255 // the Linux tools cut both numbers to eight bits
	maxNumber = 127 // as on a real bus
)

// Export offers p under busID, 1 to 31 visible ASCII characters such as "1-1".
// Errors: ErrBusID, ErrExported, ErrTooMany.
func (s *Server) Export(busID string, p usb.Port) error {
	visible := func(r rune) bool { return r > ' ' && r < 0x7f }
	if busID == "" || len(busID) >= proto.BusIDSize || strings.ContainsFunc(busID, func(r rune) bool { return !visible(r) }) {
		return fmt.Errorf("%w: %q", ErrBusID, busID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exports[busID] != nil {
		return fmt.Errorf("%w: %q", ErrExported, busID)
	}
	bus, number, err := s.freeNumber()
	if err != nil {
		return err
	}
	s.exports[busID] = &export{port: p, device: proto.Device{
		Path: "/sys/devices/usbip/" + busID, BusID: busID, Bus: bus, Number: number,
	}}
	return nil
}

// freeNumber finds the first free pair of bus and device number, from 1-1 up.
func (s *Server) freeNumber() (bus, number uint32, err error) {
	used := map[uint32]bool{}
	for _, e := range s.exports {
		used[e.device.DevID()] = true
	}
	for bus := uint32(1); bus <= maxBus; bus++ {
		for number := uint32(1); number <= maxNumber; number++ {
			if !used[bus<<16|number] {
				return bus, number, nil
			}
		}
	}
	return 0, 0, ErrTooMany
}

// Unexport takes back what Export offered. A host that uses the device loses its
// connection; when Unexport returns, the device is free. An unknown busID is
// ignored.
func (s *Server) Unexport(busID string) {
	s.mu.Lock()
	e := s.exports[busID]
	delete(s.exports, busID)
	var h *host
	if e != nil {
		h = e.host
	}
	s.mu.Unlock()
	if h != nil {
		h.cancel()
		<-h.ended
	}
}

// list returns the devices that can be imported, in order of bus ID.
func (s *Server) list() []proto.Device {
	s.mu.Lock()
	var free []*export
	for _, e := range s.exports {
		if e.host == nil {
			free = append(free, e)
		}
	}
	s.mu.Unlock()
	var devices []proto.Device
	for _, e := range free {
		d := e.device
		if d.Identity = e.port.Identity(); !d.Unplugged {
			devices = append(devices, d)
		}
	}
	slices.SortFunc(devices, func(a, b proto.Device) int { return strings.Compare(a.BusID, b.BusID) })
	return devices
}

// claim makes h the host of a device, or says why not.
func (s *Server) claim(busID string, h *host) (*export, proto.OpStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.exports[busID]
	switch {
	case e == nil:
		return nil, proto.OpNoDevice
	case e.host != nil:
		return nil, proto.OpBusy
	}
	e.host = h
	return e, proto.OpOK
}

// free undoes claim.
func (s *Server) free(e *export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(e.host.ended)
	e.host = nil
}

// Serve accepts connections until ctx ends or the listener fails, and closes the
// listener. It returns when every connection has ended: nil if ctx ended,
// otherwise the error of the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer listener.Close()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	var connections sync.WaitGroup
	defer connections.Wait()
	defer cancel()
	for {
		conn, err := s.accept(ctx, listener)
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting USB/IP connections: %w", err)
		}
		connections.Go(func() { s.ServeConn(ctx, conn) })
	}
}

// accept waits for a connection. It outlasts errors that pass, such as a want of
// file descriptors.
func (s *Server) accept(ctx context.Context, listener net.Listener) (net.Conn, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		s.options.Logger.Warn("cannot accept a USB/IP connection", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
