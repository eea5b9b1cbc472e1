package server

import (
	"fmt"
	"io"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// transfer is a URB of the host with what its answer needs. Transfers are reused.
type transfer struct {
	usb.URB
	seq     uint32
	unlinks []uint32 // sequence numbers of the UNLINKs that wait for its end
	done    func(*usb.URB)
	next    *transfer // idle list
}

// submit carries out a SUBMIT whose header has been read.
func (s *session) submit() error {
	c, err := proto.ParseSubmit(&s.header)
	if err != nil {
		return err
	}
	if c.DevID != s.devID {
		return fmt.Errorf("%w: SUBMIT for device %08x, imported is %08x", proto.ErrMalformed, c.DevID, s.devID)
	}
	if s.answerEarly(c.Seq) {
		return s.discard(c.Payload())
	}
	if c.Iso() || c.Endpoint > 15 {
		return s.refuse(&c)
	}
	t, err := s.begin(&c)
	if err != nil {
		return err
	}
	if !c.In {
		if _, err := io.ReadFull(s.in, t.Buffer); err != nil {
			return fmt.Errorf("reading the data of a SUBMIT: %w", err)
		}
	}
	if err := s.register(t); err != nil {
		return err
	}
	s.port.Submit(&t.URB)
	return nil
}

// discard drops n bytes of payload.
func (s *session) discard(n int) error {
	if _, err := s.in.Discard(n); err != nil {
		return fmt.Errorf("reading the data of a SUBMIT: %w", err)
	}
	return nil
}

// refuse stalls a URB that no port could carry out, and drops its payload.
func (s *session) refuse(c *proto.Submit) error {
	if err := s.discard(c.Payload()); err != nil {
		return err
	}
	if err := s.admit(0, 0); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[c.Seq] != nil {
		return duplicate(c.Seq)
	}
	r := proto.SubmitReply{Seq: c.Seq, Status: usb.EPIPE}
	s.output.queued = r.Append(s.output.queued)
	s.recent.add(c.Seq)
	s.announce()
	return nil
}

// begin waits for room and returns a transfer with a buffer, which counts
// against the limits from now on.
func (s *session) begin(c *proto.Submit) (*transfer, error) {
	size := int(c.Length)
	if err := s.admit(1, cost(size)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.idle
	if t != nil {
		s.idle, t.next = t.next, nil
	} else {
		t = &transfer{}
		t.done = func(*usb.URB) { s.finished(t) }
	}
	t.seq = c.Seq
	t.URB = usb.URB{Endpoint: c.Address(), Setup: c.Setup, Flags: c.Flags, Buffer: s.pool.get(size), Done: t.done}
	s.held += cost(size)
	s.stir()
	return t, nil
}

// register makes t pending.
func (s *session) register(t *transfer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[t.seq] != nil {
		return duplicate(t.seq)
	}
	s.pending[t.seq] = t
	s.urbs.Add(1)
	return nil
}

func duplicate(seq uint32) error {
	return fmt.Errorf("%w: SUBMIT %d while another with that number is pending", proto.ErrMalformed, seq)
}

// finished is the Done of every URB: the one place where a URB gets its answer.
func (s *session) finished(t *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.urbs.Done()
	delete(s.pending, t.seq)
	s.recent.add(t.seq)
	if !s.ended {
		s.answer(t)
		s.announce()
	}
	s.held -= cost(len(t.Buffer))
	s.pool.put(t.Buffer)
	t.Buffer, t.unlinks = nil, t.unlinks[:0]
	t.next, s.idle = s.idle, t
	notify(s.room)
}

// answer queues the answers that end t. A URB that was cancelled before anything
// moved is ended by the reply to its UNLINK. Any other is ended by its own reply,
// which carries what did move, and replies to UNLINKs follow with status 0.
func (s *session) answer(t *transfer) {
	q := s.output.queued
	cancelled := len(t.unlinks) > 0 && t.Status == usb.ECONNRESET && t.Actual == 0
	if !cancelled {
		q = appendResult(q, t.seq, &t.URB)
	}
	s.output.queued = appendUnlinkReplies(q, t.unlinks, cancelled)
}

// appendResult encodes the result of u. Whatever the port claims, it holds back
// what would harm a host: more data than was asked for, data in the answer to an
// OUT URB, a positive status, or isochronous packets.
func appendResult(b []byte, seq uint32, u *usb.URB) []byte {
	actual := min(max(u.Actual, 0), len(u.Buffer))
	status := u.Status
	if status > 0 {
		status = usb.EPROTO
	}
	r := proto.SubmitReply{Seq: seq, Status: status, Actual: int32(actual)}
	b = r.Append(b)
	if u.In() {
		b = append(b, u.Buffer[:actual]...)
	}
	return b
}

// appendUnlinkReplies answers the UNLINKs of one URB. Only the first may say
// that it cancelled the URB.
func appendUnlinkReplies(b []byte, unlinks []uint32, cancelled bool) []byte {
	for i, seq := range unlinks {
		r := proto.UnlinkReply{Seq: seq}
		if cancelled && i == 0 {
			r.Status = usb.ECONNRESET
		}
		b = r.Append(b)
	}
	return b
}
