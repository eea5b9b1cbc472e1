package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// readBuffer is how much is read at a time. More is no faster, and every idle
// session keeps it.
const readBuffer = 64 << 10

// Why a session ended. They are logged.
var (
	errUnplugged = errors.New("the device was unplugged")
	errStopped   = errors.New("the server stopped exporting the device")
	errHostLeft  = errors.New("the host closed the connection")
	errStalled   = errors.New("the host kept too much pending while nothing finished")
)

// session is one host's use of one device. Three goroutines serve it: run reads
// requests and submits them, write sends answers that come while run waits for
// the host, and watch ends the connection when the device or the server goes.
//
// The lock is the one place where the end of a URB is decided: whoever holds it
// looks up the URB, settles its fate and queues the answer, so answers leave in
// the order of the decisions. No method of the port is called under it.
type session struct {
	conn      net.Conn
	port      usb.Port
	devID     uint32
	options   Options
	races     *atomic.Uint64 // counts early unlinks
	in        *bufio.Reader
	header    proto.Header
	inMessage bool          // the reader has a header whose message is not carried out
	wake      chan struct{} // tells write that there is something to send
	room      chan struct{} // tells run that there may be room again
	timer     *time.Timer   // tells watch that the host has been silent for long
	rest      rest
	urbs      sync.WaitGroup

	mu      sync.Mutex
	pending map[uint32]*transfer // by sequence number, from submission to Done
	recent  recent               // sequence numbers of URBs that ended
	early   []earlyUnlink        // in the order in which they came
	submits uint64               // how many have come
	silent  bool                 // the reader waits for the host to begin a message
	idle    *transfer            // for reuse
	pool    pool
	held    int // memory for the data and packets of pending URBs, in bytes
	output  output
	ended   bool  // answers are no longer wanted
	cause   error // why, if anything but the host ended the session

	idlePackets int // isochronous packets that idle transfers have room for
}

func newSession(conn net.Conn, port usb.Port, devID uint32, options Options, races *atomic.Uint64) *session {
	s := &session{
		conn: conn, port: port, devID: devID, options: options, races: races,
		wake:    make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		timer:   newStoppedTimer(),
		rest:    rest{timer: newStoppedTimer()},
		pending: map[uint32]*transfer{},
		recent:  newRecent(options.MaxPending),
	}
	s.in = bufio.NewReaderSize(readFunc(s.readConn), readBuffer)
	return s
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// run serves the session until the connection ends and returns why it did. When
// it returns, every URB has been given back by the port; the connection is of no
// more use and has to be closed.
func (s *session) run(ctx context.Context, gone <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { s.watch(ctx, gone) })
	helpers.Go(func() { s.write(ctx) })

	err := s.serve()
	s.end(err)
	cancel()
	s.port.Disconnect()
	s.urbs.Wait()
	helpers.Wait()
	return s.cause
}

// serve reads and carries out requests until one cannot be read.
func (s *session) serve() error {
	for {
		if err := s.readHeader(); err != nil {
			return err
		}
		var err error
		switch command := s.header.Command(); command {
		case proto.CmdSubmit:
			err = s.submit()
		case proto.CmdUnlink:
			err = s.unlink()
		default:
			err = fmt.Errorf("%w: command %d", proto.ErrMalformed, command)
		}
		if err != nil {
			return err
		}
		s.inMessage = false
	}
}

// readHeader waits for the next request. Until it is there as a whole it stays in
// the buffer, which tells silence from a message under way.
func (s *session) readHeader() error {
	b, err := s.in.Peek(proto.HeaderSize)
	switch {
	case err == nil:
		s.header = proto.Header(b)
		s.inMessage = true
		_, err = s.in.Discard(proto.HeaderSize)
		return err
	case err == io.EOF && len(b) == 0:
		return errHostLeft
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading a request: %w", err)
}

// end stops all use of the connection for the reason given; the first reason
// stays. The connection is closed only after the device is free again, so that a
// host that sees the end can import the device at once.
func (s *session) end(cause error) {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.cause = true, cause
	}
	s.mu.Unlock()
	s.conn.SetDeadline(time.Unix(1, 0))
	notify(s.room)
}

// watch ends the session when its device or its context ends, answers early
// unlinks whose time is up and frees the memory of a session at rest.
func (s *session) watch(ctx context.Context, gone <-chan struct{}) {
	defer s.timer.Stop()
	defer s.rest.timer.Stop()
	for {
		select {
		case <-gone:
			s.end(errUnplugged)
			return
		case <-ctx.Done():
			s.end(errStopped)
			return
		case <-s.timer.C:
			s.expireEarly()
		case <-s.rest.timer.C:
			s.slim()
		}
	}
}

func newStoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// notify puts a token into a channel that holds one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
