package server

import (
	"fmt"

	"usbhsm7/usbip/proto"
)

// earlyUnlink is an UNLINK that came before the SUBMIT of its victim: Linux sends
// the two in that order when a URB is queued and cancelled at the right moment.
type earlyUnlink struct {
	victim, seq uint32
	at          uint64 // how many SUBMITs had come before it
}

// tooEarly is how many UNLINKs may wait for their victims, and how many SUBMITs
// each waits for: many times what a host may have pending, for it may have more
// in mind than the server lets it have.
func (s *session) tooEarly() int { return 16 * s.options.MaxPending }

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
	case t != nil && len(t.unlinks) >= s.options.MaxPending:
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

// hold keeps an UNLINK for the SUBMIT that it overtook. When too many wait, the
// oldest is given up.
func (s *session) hold(c proto.Unlink) {
	if len(s.early) >= s.tooEarly() {
		s.giveUp(1)
	}
	s.early = append(s.early, earlyUnlink{victim: c.Victim, seq: c.Seq, at: s.submits})
}

// answerEarly ends a URB whose UNLINK came before it: the UNLINK is answered and
// the URB is not carried out. It reports whether there was one.
func (s *session) answerEarly(seq uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.submits++
	if len(s.early) == 0 {
		return false
	}
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
	if len(kept) > 0 && s.submits-kept[0].at > uint64(s.tooEarly()) {
		s.giveUp(1)
	}
	if unlinks == nil {
		return false
	}
	s.races.Add(1)
	s.output.queued = appendUnlinkReplies(s.output.queued, unlinks, true)
	s.recent.add(seq)
	s.announce()
	return true
}

// expireEarly gives up on victims that did not come, for the host has been silent
// for a while. What it sent before the silence has been read to the end: as long
// as a message is under way, or the host is over its limits, the victims may be
// behind it.
func (s *session) expireEarly() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent {
		s.giveUp(len(s.early))
	}
}

// giveUp answers the oldest n UNLINKs that wait. They were for URBs that ended
// long ago, so the answer is that there is nothing to cancel.
func (s *session) giveUp(n int) {
	for _, e := range s.early[:n] {
		r := proto.UnlinkReply{Seq: e.seq}
		s.output.queued = r.Append(s.output.queued)
	}
	s.early = append(s.early[:0], s.early[n:]...)
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
