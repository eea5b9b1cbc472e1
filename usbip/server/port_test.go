package server_test

import (
	"net"
	"sync"
	"testing"

	"usbhsm7/usbip/usb"
)

// scripted is a Port whose URBs end when and how the test says.
type scripted struct {
	submitted chan *usb.URB  // every URB, in order
	cancel    func(*usb.URB) // what Cancel does
	slow      bool           // Disconnect leaves URBs to the test

	mu      sync.Mutex
	pending []*usb.URB
	err     error // of Connect
}

func newScripted() *scripted {
	s := &scripted{submitted: make(chan *usb.URB, 10000)}
	s.cancel = func(u *usb.URB) { s.complete(u, 0, usb.ECONNRESET) }
	return s
}

func (s *scripted) Identity() usb.Identity {
	return usb.Identity{Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 2}
}

func (s *scripted) Connect() (<-chan struct{}, error) { return make(chan struct{}), s.err }

func (s *scripted) Disconnect() {
	for !s.slow {
		s.mu.Lock()
		if len(s.pending) == 0 {
			s.mu.Unlock()
			return
		}
		u := s.pending[0]
		s.mu.Unlock()
		s.complete(u, 0, usb.ESHUTDOWN)
	}
}

func (s *scripted) Submit(u *usb.URB) {
	s.mu.Lock()
	s.pending = append(s.pending, u)
	s.mu.Unlock()
	s.submitted <- u
}

func (s *scripted) Cancel(u *usb.URB) { s.cancel(u) }

// complete ends u if it is pending.
func (s *scripted) complete(u *usb.URB, actual int, status usb.Status) {
	if s.take(u) {
		u.Complete(actual, status)
	}
}

// take removes u from the pending URBs.
func (s *scripted) take(u *usb.URB) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.pending {
		if p == u {
			s.pending = append(s.pending[:i], s.pending[i+1:]...)
			return true
		}
	}
	return false
}

func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// pipes is a listener whose connections stay within the process, so that tests
// can use synthetic time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) dial(t testing.TB) *raw {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
	case <-p.done:
		t.Fatal("the server is gone")
	}
	return &raw{near, t}
}
