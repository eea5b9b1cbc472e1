package fault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// Import is client.ImportConn with a script of faults that break the USB/IP
// protocol: the rules of s hold nothing but a Reply each. They choose transfers by
// endpoint, direction, setup packet and number; on the wire, a transfer has no type
// but control.
//
// This is the only way to play such faults. They are made on this side of the
// connection, and nothing but the client that is returned sees them: no server
// sends them, so no kernel can receive them.
func Import(ctx context.Context, conn net.Conn, busID string, s Script) (*client.Device, error) {
	rules, err := activateReplies(s)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return client.ImportConn(ctx, &wire{
		Conn: conn, rules: rules, greetingOut: importRequest, greetingIn: importReply, asked: map[uint32]asked{},
	}, busID)
}

func activateReplies(s Script) (*rules, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	for i, r := range s.Rules {
		if r.Faults[0].place() != onReplies || len(r.Faults) > 1 {
			return nil, fmt.Errorf("%w: %s: %q is for Injector.Load; here a rule has one fault of replies, such as lose", ErrScript, r.where(i), r)
		}
		if r.On.Type != AnyType && r.On.Type != Control {
			return nil, fmt.Errorf("%w: %s: the wire does not tell the type of a transfer; choose it by endpoint", ErrScript, r.where(i))
		}
	}
	return activate(s, nil)
}

// Sizes of the messages that open a connection, in bytes.
const (
	importRequest = 40
	importReply   = 320
)

// wire is a connection of a client on which replies are spoilt.
type wire struct {
	net.Conn
	rules *rules

	out         []byte // of messages that are not complete
	greetingOut int    // bytes of the handshake to come
	greetingIn  int
	ready       []byte // for Read; the reader's
	over        bool   // nothing comes after ready; the reader's

	mu    sync.Mutex
	asked map[uint32]asked // SUBMITs without a reply, by sequence number
}

// asked is what has to be known of a SUBMIT to follow its reply, and to spoil it.
type asked struct {
	in      bool
	length  int
	packets int
	spoil   bool
	how     Reply
}

// Write implements net.Conn: it notes what is asked.
func (w *wire) Write(p []byte) (int, error) {
	n := min(w.greetingOut, len(p))
	w.greetingOut -= n
	w.out = append(w.out, p[n:]...)
	for {
		size, err := w.note(w.out)
		if err != nil {
			return 0, err
		}
		if size == 0 {
			break
		}
		w.out = w.out[:copy(w.out, w.out[size:])]
	}
	return w.Conn.Write(p)
}

// note reads the message at the start of b and returns its size, 0 if it is not
// complete.
func (w *wire) note(b []byte) (int, error) {
	if len(b) < proto.HeaderSize {
		return 0, nil
	}
	h := proto.Header(b[:proto.HeaderSize])
	if h.Command() != proto.CmdSubmit {
		return proto.HeaderSize, nil
	}
	c, err := proto.ParseSubmit(&h)
	size := proto.HeaderSize + c.Payload()
	if err != nil || len(b) < size {
		return 0, err
	}
	kind := AnyType
	if c.Endpoint == 0 {
		kind = Control
	}
	a := asked{in: c.In, length: int(c.Length)}
	if c.Iso() {
		a.packets = int(c.Packets)
	}
	a.how, a.spoil = w.rules.spoil(&transferInfo{kind: kind, address: c.Address(), setup: c.Setup})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[c.Seq] = a
	return size, nil
}

// spoil decides what happens to the reply to a SUBMIT.
func (a *rules) spoil(i *transferInfo) (how Reply, spoil bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n := range a.list {
		r := &a.list[n]
		if !r.On.matches(i, 0, nil) {
			continue
		}
		if spoil {
			r.matched++
		} else if r.fires() {
			how, spoil = r.Faults[0].(Reply), true
		}
	}
	return how, spoil
}

// Read implements net.Conn: it hands out whole replies, some of them spoilt.
func (w *wire) Read(p []byte) (int, error) {
	if w.greetingIn > 0 {
		n, err := w.Conn.Read(p[:min(len(p), w.greetingIn)])
		w.greetingIn -= n
		return n, err
	}
	for len(w.ready) == 0 {
		if w.over {
			return 0, io.EOF
		}
		if err := w.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.ready)
	w.ready = w.ready[n:]
	return n, nil
}

// receive reads one message of the server.
func (w *wire) receive() error {
	var h proto.Header
	if _, err := io.ReadFull(w.Conn, h[:]); err != nil {
		return err
	}
	w.ready = append([]byte(nil), h[:]...)
	if h.Command() != proto.RetSubmit {
		return nil
	}
	r, err := proto.ParseSubmitReply(&h)
	if err != nil {
		return nil // the client will find the fault
	}
	w.mu.Lock()
	a := w.asked[r.Seq]
	delete(w.asked, r.Seq)
	w.mu.Unlock()
	payload := a.packets * proto.IsoPacketSize
	if a.in {
		payload += int(r.Actual)
	}
	w.ready = append(w.ready, make([]byte, payload)...)
	if _, err := io.ReadFull(w.Conn, w.ready[proto.HeaderSize:]); err != nil {
		return err
	}
	if a.spoil {
		w.spoil(a, &r)
	}
	return nil
}

// spoil spoils the reply in w.ready.
func (w *wire) spoil(a asked, r *proto.SubmitReply) {
	const ( // places in the header
		command, seq, status, actual = 0, 4, 20, 24
	)
	word := func(at int, v uint32) { binary.BigEndian.PutUint32(w.ready[at:], v) }
	switch a.how {
	case Lose:
		w.ready = nil
	case Duplicate:
		w.ready = append(w.ready, w.ready...)
	case WrongNumber:
		word(seq, r.Seq^0x4000_0000)
	case Overlong:
		if a.in {
			word(actual, uint32(a.length+1))
			w.ready = append(w.ready, make([]byte, a.length+1-int(r.Actual))...)
		}
	case OutPayload:
		if !a.in {
			w.ready = append(w.ready, make([]byte, proto.HeaderSize)...)
		}
	case NegativeLength:
		word(actual, ^uint32(0))
	case PositiveStatus:
		word(status, uint32(-usb.EPIPE))
	case UnknownMessage:
		word(command, 9)
	case Truncate:
		w.ready, w.over = w.ready[:proto.HeaderSize/2], true
		_ = w.Conn.Close()
	}
}
