package vhci

import (
	"io"
	"net"
	"sync"
	"time"
)

// linger is how long what is still on its way may take when one side has ended.
const linger = 2 * time.Second

// relayBuffer is what a relay holds of each direction, in bytes. Beyond it the
// sender waits.
const relayBuffer = 128 << 10

// duplex is a stream of which one direction can end before the other. A write
// must not be under way when CloseWrite is called.
type duplex interface {
	net.Conn
	CloseWrite() error
}

// relay carries bytes between two connections. When one of them ends, or fails,
// the other is told so by the end of its stream, and what is still on its way
// has a moment to arrive. ending is called when the first direction has ended;
// relay returns when both have. It leaves closing to its caller.
func relay(a, b duplex, ending func()) {
	var both sync.WaitGroup
	for _, way := range []struct{ to, from duplex }{{a, b}, {b, a}} {
		both.Go(func() {
			defer ending()
			carry(way.to, way.from)
		})
	}
	both.Wait()
}

// carry copies from one connection to the other until one of them ends. How it
// ended is of no interest: what the kernel makes of it is in its log.
func carry(to, from duplex) {
	_, _ = io.CopyBuffer(writer{to}, reader{from}, make([]byte, relayBuffer))
	limit(to, from)
	_ = to.CloseWrite()
}

// limit gives connections a last moment.
func limit(conns ...net.Conn) {
	for _, c := range conns {
		_ = c.SetDeadline(time.Now().Add(linger))
	}
}

// reader and writer hide the other methods of a connection, so that
// io.CopyBuffer uses the buffer it is given.
type (
	reader struct{ io.Reader }
	writer struct{ io.Writer }
)
