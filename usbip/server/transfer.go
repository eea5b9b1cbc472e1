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
	asked   []usb.IsoPacket // isochronous packets as the host laid them out; the port has a copy
	held    int             // bytes that count against the limits
	unlinks []uint32        // sequence numbers of the UNLINKs that wait for its end
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
	t, err := s.begin(&c)
	if err != nil {
		return err
	}
	if err := s.readPayload(t); err != nil {
		return err
	}
	if err := s.register(t); err != nil {
		return err
	}
	if c.Endpoint > 15 {
		t.Complete(0, usb.EPIPE) // no port could carry it out
	} else {
		s.port.Submit(&t.URB)
	}
	return nil
}

// readPayload reads what follows the header of a SUBMIT: the data of an OUT URB
// and the descriptors of isochronous packets.
func (s *session) readPayload(t *transfer) error {
	if !t.In() {
		if _, err := io.ReadFull(s.in, t.Buffer); err != nil {
			return fmt.Errorf("reading the data of a SUBMIT: %w", err)
		}
	}
	if t.Packets == nil {
		return nil
	}
	return s.readPackets(t)
}

// discard drops n bytes of payload.
func (s *session) discard(n int) error {
	if _, err := s.in.Discard(n); err != nil {
		return fmt.Errorf("reading the data of a SUBMIT: %w", err)
	}
	return nil
}

// begin waits for room and returns a transfer with a buffer, which counts
// against the limits from now on.
func (s *session) begin(c *proto.Submit) (*transfer, error) {
	size, packets := int(c.Length), 0
	if c.Iso() {
		packets = int(c.Packets)
	}
	held := cost(size) + packets*packetCost
	if err := s.admit(1, held); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.reuse()
	t.seq, t.held = c.Seq, held
	t.URB = usb.URB{
		Endpoint: c.Address(), Setup: c.Setup, Flags: c.Flags, Buffer: s.pool.get(size),
		Packets: t.layOut(packets), Interval: c.Interval, StartFrame: c.StartFrame, Done: t.done,
	}
	s.held += held
	s.stir()
	return t, nil
}

// reuse returns an idle transfer or a new one. The lock is held.
func (s *session) reuse() *transfer {
	t := s.idle
	if t == nil {
		t = &transfer{}
		t.done = func(*usb.URB) { s.finished(t) }
		return t
	}
	s.idle, t.next = t.next, nil
	s.idlePackets -= cap(t.asked)
	return t
}

// recycle keeps a transfer that has ended. The lock is held.
func (s *session) recycle(t *transfer) {
	s.held -= t.held
	s.pool.put(t.Buffer)
	t.Buffer, t.Packets, t.unlinks = nil, nil, t.unlinks[:0]
	if s.idlePackets+cap(t.asked) > maxIdlePackets {
		t.asked = nil
	}
	s.idlePackets += cap(t.asked)
	t.next, s.idle = s.idle, t
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
	s.recycle(t)
	notify(s.room)
}

// answer queues the answers that end t. A URB that was cancelled before anything
// moved is ended by the reply to its UNLINK. Any other is ended by its own reply,
// which carries what did move, and replies to UNLINKs follow with status 0.
func (s *session) answer(t *transfer) {
	q := s.output.queued
	cancelled := len(t.unlinks) > 0 && t.Status == usb.ECONNRESET && t.Actual == 0
	if !cancelled {
		q = appendResult(q, t)
	}
	s.output.queued = appendUnlinkReplies(q, t.unlinks, cancelled)
}

// appendResult encodes the result of t. Whatever the port claims, it holds back
// what would harm a host: more data than was asked for, data in the answer to an
// OUT URB, a positive status, or other isochronous packets than those of the host.
func appendResult(b []byte, t *transfer) []byte {
	r := proto.SubmitReply{Seq: t.seq, Status: noSuccess(t.Status)}
	if len(t.asked) > 0 {
		return appendIsoResult(b, t, r)
	}
	actual := min(max(t.Actual, 0), len(t.Buffer))
	r.Actual = int32(actual)
	b = r.Append(b)
	if t.In() {
		b = append(b, t.Buffer[:actual]...)
	}
	return b
}

// noSuccess replaces a positive status, which means nothing on the wire.
func noSuccess(s usb.Status) usb.Status {
	if s > 0 {
		return usb.EPROTO
	}
	return s
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
