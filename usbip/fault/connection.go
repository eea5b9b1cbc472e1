package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// ErrCut is the error of a connection that a script cut.
var ErrCut = errors.New("connection cut by a fault script")

// flow is what happens to one connection.
type flow struct {
	split  *Split
	rate   int         // bytes a second; 0 = unlimited
	slow   *SlowReader // of what is written, which the host reads
	cut    bool
	budget int // bytes until the cut
}

// shaper is a Fault of connections.
type shaper interface{ shape(*flow) }

func (f Split) shape(to *flow)      { to.split = &f }
func (f Bandwidth) shape(to *flow)  { to.rate = f.Rate }
func (f SlowReader) shape(to *flow) { to.slow = &f }
func (f Cut) shape(to *flow)        { to.cut, to.budget = true, f.After }

// connect asks the script about a new connection. All rules that fire apply. It
// returns nil if none does.
func (a *rules) connect() (*flow, []firing, uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var f *flow
	var fired []firing
	a.connections++
	for n := range a.list {
		r := &a.list[n]
		if !r.On.Connections || !r.fires() {
			continue
		}
		if f == nil {
			f = &flow{}
		}
		fired = append(fired, firing{r, n, r.fired == 1})
		for _, one := range r.Faults {
			one.(shaper).shape(f)
		}
	}
	return f, fired, a.connections
}

type listener struct {
	net.Listener
	injector *Injector
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	a := l.injector.rules.Load()
	if err != nil || a == nil {
		return c, err
	}
	f, fired, number := a.connect()
	for _, one := range fired {
		l.injector.log(one, "connection", "from", c.RemoteAddr().String())
	}
	if f == nil {
		return c, nil
	}
	return newConn(c, f, l.injector, a, number), nil
}

// conn is a connection with faults. They end when the script is not in force any
// more. The two directions are independent, but for the budget of a cut.
type conn struct {
	net.Conn
	flow     *flow
	injector *Injector
	rules    *rules
	in, out  direction
	hurry    chan struct{} // closed when nobody wants to wait any more
	once     sync.Once

	mu     sync.Mutex // guards budget
	budget int
}

// direction is one way of a connection. Who reads or writes owns it.
type direction struct {
	mu      sync.Mutex
	random  *rand.Rand
	free    time.Time // when the line has carried what it was given
	untired int       // bytes until a slow reader rests
}

func newConn(c net.Conn, f *flow, i *Injector, a *rules, number uint64) *conn {
	out := &conn{Conn: c, flow: f, injector: i, rules: a, hurry: make(chan struct{}), budget: f.budget}
	out.in.random = rand.New(rand.NewPCG(a.script.Seed, 2*number))
	out.out.random = rand.New(rand.NewPCG(a.script.Seed, 2*number+1))
	if f.slow != nil {
		out.out.untired = f.slow.Bytes
	}
	return out
}

// NetConn returns the connection below, for its options.
func (c *conn) NetConn() net.Conn { return c.Conn }

// HandshakeContext does the handshake of a TLS connection below, if it is one.
func (c *conn) HandshakeContext(ctx context.Context) error {
	if secure, ok := c.Conn.(interface{ HandshakeContext(context.Context) error }); ok {
		return secure.HandshakeContext(ctx)
	}
	return nil
}

// off reports whether the faults are over.
func (c *conn) off() bool { return c.injector.rules.Load() != c.rules }

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.off() || len(p) == 0 {
		return c.Conn.Read(p)
	}
	n, err := c.Conn.Read(p[:c.piece(&c.in, len(p))])
	kept := c.spend(n)
	c.carry(&c.in, kept)
	if kept < n {
		return kept, c.sever()
	}
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (written int, err error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for err == nil && written < len(p) {
		if c.off() {
			n, err := c.Conn.Write(p[written:])
			return written + n, err
		}
		piece := c.piece(&c.out, len(p)-written)
		kept := c.spend(piece)
		c.carry(&c.out, kept)
		var n int
		if kept > 0 {
			n, err = c.Conn.Write(p[written : written+kept])
			written += n
		}
		if err == nil && kept < piece {
			err = c.sever()
		}
	}
	return written, err
}

// piece returns how much of n bytes goes next.
func (c *conn) piece(d *direction, n int) int {
	if s := c.flow.split; s != nil {
		n = min(n, s.Least+d.random.IntN(s.Most-s.Least+1))
	}
	if d.untired > 0 {
		n = min(n, d.untired)
	}
	if c.flow.rate > 0 { // so little that it does not wait long for the line
		n = min(n, max(c.flow.rate/100, 1))
	}
	return n
}

// spend takes n bytes from the budget and returns how many it has.
func (c *conn) spend(n int) int {
	if !c.flow.cut {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.budget)
	c.budget -= n
	return n
}

// least is the shortest pause that is made: shorter ones add up first.
const leastPause = time.Millisecond

// carry waits as long as the line, or its reader, needs for n bytes.
func (c *conn) carry(d *direction, n int) {
	if c.flow.rate > 0 {
		now := time.Now()
		if d.free.Before(now) {
			d.free = now
		}
		d.free = d.free.Add(time.Duration(n) * time.Second / time.Duration(c.flow.rate))
		if wait := d.free.Sub(now); wait >= leastPause {
			c.pause(wait)
		}
	}
	if d.untired > 0 {
		if d.untired -= n; d.untired == 0 {
			c.pause(c.flow.slow.Rest)
			d.untired = c.flow.slow.Bytes
		}
	}
}

// pause waits, unless the connection is to end.
func (c *conn) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.hurry:
	}
}

// sever cuts the connection.
func (c *conn) sever() error {
	return fmt.Errorf("%w after %d bytes", errors.Join(ErrCut, c.Close()), c.flow.budget)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.hurry) })
	return c.Conn.Close()
}

// SetDeadline implements net.Conn. One that has passed ends every pause, for it is
// how a connection is told to end.
func (c *conn) SetDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		c.once.Do(func() { close(c.hurry) })
	}
	return c.Conn.SetDeadline(t)
}
