package oracle

import (
	"bufio"
	"io"
	"net"
	"sync"

	"usbhsm7/usbip/proto"
)

// defective is a connection to a server that has a Defect.
type defective struct {
	net.Conn
	defect    Defect
	in        *bufio.Reader
	handshake int    // bytes of the server's handshake still to come
	ready     []byte // for the host
	held      []byte // by the defect

	mu    sync.Mutex
	out   splitter
	judge *Judge
	early map[uint32]bool // UNLINKs that came before the SUBMITs of their victims
	known map[uint32]bool // SUBMITs
}

// Commit returns a host's connection over conn, on which nothing has passed, to a
// server that has the defect.
func (d Defect) Commit(conn net.Conn) net.Conn {
	return &defective{
		Conn: conn, defect: d, in: bufio.NewReader(conn), handshake: importedSize,
		out: newSplitter(), judge: NewJudge(), early: map[uint32]bool{}, known: map[uint32]bool{},
	}
}

// Write implements net.Conn.
func (c *defective) Write(p []byte) (int, error) {
	c.mu.Lock()
	_, messages := c.out.push(p)
	for _, m := range messages {
		c.judge.Request(m)
		if u, err := proto.ParseUnlink((*proto.Header)(m)); err == nil {
			c.early[u.Seq] = !c.known[u.Victim]
		} else {
			c.known[word(m, 4)] = true
		}
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Read implements net.Conn.
func (c *defective) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		if c.handshake > 0 {
			n, err := c.in.Read(p[:min(len(p), c.handshake)])
			c.handshake -= n
			return n, err
		}
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// receive reads a message of the server and prepares what the host gets.
func (c *defective) receive() error {
	var h proto.Header
	if _, err := io.ReadFull(c.in, h[:]); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, fault := c.judge.payload(&h)
	if fault != nil {
		return fault
	}
	b := append(h[:], make([]byte, n)...)
	c.mu.Unlock()
	_, err := io.ReadFull(c.in, b[proto.HeaderSize:])
	c.mu.Lock()
	if err != nil {
		return err
	}
	m := c.about(b)
	c.judge.receive(&h, b[proto.HeaderSize:])
	for _, b := range c.defect.rewrite(m) {
		c.ready = append(c.ready, b...)
	}
	return nil
}

// about finds out what the message b is about.
func (c *defective) about(b []byte) *message {
	m := &message{bytes: b, held: &c.held}
	if word(b, 0) == 4 {
		m.isUnlink = true
		m.victim = c.judge.unlinks[m.seq()]
		m.early = c.early[m.seq()]
		m.submit = c.judge.submits[m.victim]
		return m
	}
	m.submit = c.judge.submits[m.seq()]
	for _, victim := range c.judge.unlinks {
		m.asked = m.asked || victim == m.seq()
	}
	return m
}
