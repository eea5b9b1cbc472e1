package server

import (
	"fmt"
	"time"

	"usbhsm7/usbip/proto"
)

// earlyUnlink is an UNLINK that came before the SUBMIT of its victim: Linux sends
// the two in that order when a URB is queued and cancelled at the right moment.
type earlyUnlink struct {
	victim, seq uint32
	deadline    time.Time
}

// unlink carries out an UNLINK whose header has been read. A pending victim is
// cancelled, and finished answers. One that ended lately is answered at once,
// behind the reply that ended it. An unknown one is waited for.
func (s *session) unlink() error {
	c, err := proto.ParseUnlink(&s.header)
	if err != nil {
		return err
	}
	if c.DevID != s.devID {
		return fmt.Errorf("%w: UNLINK for device %08x, imported is %08x", proto.ErrMalformed, c.DevID, s.devID)
	}
	if err := s.admit(0, 0); err != nil {
		return err
	}
	victim, err := s.resolve(c)
	if victim != nil {
		s.port.Cancel(&victim.URB)
	}
	return err
}

// resolve decides what happens to an UNLINK. It returns the victim if that must
// be cancelled. The victim may finish before the caller cancels it; it is not
// reused until then, for only the caller's goroutine begins transfers.
func (s *session) resolve(c proto.Unlink) (*transfer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.pending[c.Victim]
	switch {
	case t != nil && len(t.unlinks) >= s.options.MaxPending, len(s.early) >= s.options.MaxPending:
		return nil, fmt.Errorf("%w: more than %d UNLINKs wait", proto.ErrMalformed, s.options.MaxPending)
	case t != nil:
		t.unlinks = append(t.unlinks, c.Seq)
		return t, nil
	case s.recent.has(c.Victim):
		r := proto.UnlinkReply{Seq: c.Seq}
		s.output.queued = r.Append(s.output.queued)
		s.announce()
	default:
		s.hold(c)
	}
	return nil, nil
}

// hold keeps an UNLINK for the SUBMIT that it overtook.
func (s *session) hold(c proto.Unlink) {
	if len(s.early) == 0 {
		s.timer.Reset(s.options.UnlinkTimeout)
	}
	deadline := time.Now().Add(s.options.UnlinkTimeout)
	s.early = append(s.early, earlyUnlink{victim: c.Victim, seq: c.Seq, deadline: deadline})
}

// answerEarly ends a URB whose UNLINK came before it: the UNLINK is answered and
// the URB is not carried out. It reports whether there was one.
func (s *session) answerEarly(seq uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unlinks []uint32
	kept := s.early[:0]
	for _, e := range s.early {
		if e.victim == seq {
			unlinks = append(unlinks, e.seq)
		} else {
			kept = append(kept, e)
		}
	}
	s.early = kept
	if unlinks == nil {
		return false
	}
	s.races.Add(1)
	s.output.queued = appendUnlinkReplies(s.output.queued, unlinks, true)
	s.recent.add(seq)
	s.announce()
	return true
}

// expireEarly gives up on victims that did not come: such an UNLINK was for a URB
// that ended long ago, so the answer is that there is nothing to cancel.
func (s *session) expireEarly(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := 0
	for due < len(s.early) && !s.early[due].deadline.After(now) {
		r := proto.UnlinkReply{Seq: s.early[due].seq}
		s.output.queued = r.Append(s.output.queued)
		due++
	}
	s.early = append(s.early[:0], s.early[due:]...)
	if len(s.early) > 0 {
		s.timer.Reset(s.early[0].deadline.Sub(now))
	}
	s.announce()
}

// recent remembers the sequence numbers of the URBs that ended last.
type recent struct {
	ring []uint32
	next int
}

func newRecent(size int) recent { return recent{ring: make([]uint32, 0, size)} }

func (r *recent) add(seq uint32) {
	if len(r.ring) < cap(r.ring) {
		r.ring = append(r.ring, seq)
		return
	}
	r.ring[r.next] = seq
	r.next = (r.next + 1) % len(r.ring)
}

func (r *recent) has(seq uint32) bool {
	for _, s := range r.ring {
		if s == seq {
			return true
		}
	}
	return false
}
