package oracle

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync"

	"usbhsm7/usbip/proto"
)

// secondUnlink is set in the sequence numbers of the UNLINKs that Twice adds.
const secondUnlink = 1 << 31

// Wire is a host's connection to a server, from the import on, with a Judge on
// it. What the host reads has passed the Judge before. Its methods may be called
// from any goroutine.
type Wire struct {
	net.Conn

	sending chan struct{} // holds a token while the host sends; taken before mu
	out     splitter      // used by whoever sends

	mu        sync.Mutex
	judge     *Judge
	handshake int // bytes of the server's handshake still to come
	answers   []Answer
	running   chan struct{} // closed while the host reads
	holding   bool
	held      [][]byte // SUBMITs
	twice     bool
}

// NewWire wraps conn, on which nothing has passed yet.
func NewWire(conn net.Conn) *Wire {
	running := make(chan struct{})
	close(running)
	return &Wire{
		Conn: conn, judge: NewJudge(), handshake: importedSize, running: running,
		sending: make(chan struct{}, 1), out: newSplitter(),
	}
}

// Read implements net.Conn.
func (w *Wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	running := w.running
	w.mu.Unlock()
	<-running
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	handshake := min(n, w.handshake)
	w.handshake -= handshake
	answers, _ := w.judge.Replies(p[handshake:n])
	for i := range answers {
		answers[i].Data = bytes.Clone(answers[i].Data)
	}
	w.answers = append(w.answers, answers...)
	if err == io.EOF {
		w.judge.End()
	}
	return n, err
}

// Write implements net.Conn.
func (w *Wire) Write(p []byte) (int, error) {
	w.sending <- struct{}{}
	defer func() { <-w.sending }()
	opening, messages := w.out.push(p)
	if len(opening) > 0 {
		if _, err := w.Conn.Write(opening); err != nil {
			return 0, err
		}
	}
	if err := w.send(w.order(messages)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send tells the Judge of messages and sends them.
func (w *Wire) send(messages [][]byte) error {
	if len(messages) == 0 {
		return nil
	}
	w.mu.Lock()
	for _, m := range messages {
		w.judge.Request(m)
	}
	w.mu.Unlock()
	_, err := w.Conn.Write(bytes.Join(messages, nil))
	return err
}

// order plays the host's tricks with messages.
func (w *Wire) order(messages [][]byte) [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list [][]byte
	for _, m := range messages {
		unlink, err := proto.ParseUnlink((*proto.Header)(m))
		switch {
		case err != nil && w.holding:
			w.held = append(w.held, bytes.Clone(m))
			continue
		case err == nil && w.twice:
			unlink.Seq |= secondUnlink
			list = append(list, unlink.Append(nil))
		}
		list = append(list, m)
	}
	return list
}

// Hold keeps SUBMITs back until Release, so that UNLINKs overtake them, as they
// do in Linux when SUBMITs come while vhci_tx_loop sends UNLINKs.
func (w *Wire) Hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holding = true
}

// Release sends what Hold kept back. The error is that of the connection.
func (w *Wire) Release() error {
	w.sending <- struct{}{}
	defer func() { <-w.sending }()
	w.mu.Lock()
	held := w.held
	w.held, w.holding = nil, false
	w.mu.Unlock()
	return w.send(held)
}

// Twice says whether each UNLINK is sent again at once, with another number.
func (w *Wire) Twice(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.twice = on
}

// Pause keeps the host from reading until Resume: a slow reader.
func (w *Wire) Pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.running:
		w.running = make(chan struct{})
	default:
	}
}

// Resume lets the host read.
func (w *Wire) Resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.running:
	default:
		close(w.running)
	}
}

// Report is what a Wire has seen.
type Report struct {
	Breaches         []*Breach
	Fault            *Breach  // the last one, if the driver stopped at it
	Answers          []Answer // that ended URBs, in order
	Submits, Unlinks int      // that have no answer
}

// Report returns what has passed so far.
func (w *Wire) Report() Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	submits, unlinks := w.judge.waiting()
	return Report{slices.Clone(w.judge.breaches), w.judge.fault, slices.Clone(w.answers), submits, unlinks}
}
