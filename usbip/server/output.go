package server

import (
	"context"
	"fmt"
	"time"

	"usbhsm7/usbip/socket"
)

// output is the queue of answers. The session's lock guards it.
//
// Answers are sent in batches: the goroutine that reads requests sends what is
// queued just before it waits for the host, so that a burst of requests costs
// one write. What finishes while it waits is sent by the write goroutine.
type output struct {
	queued  []byte // encoded answers
	spare   []byte // the buffer that queued had before
	sending int    // bytes handed to the connection
	busy    bool   // a goroutine is sending, and will send what is queued too
	waiting bool   // the reader waits: nobody else will send what is queued
}

const (
	flushSize = 256 << 10 // that much is sent without waiting for the reader
	spareSize = 4 << 20   // larger buffers are not kept
)

// unsent returns how many bytes of answers the host has not taken yet.
func (o *output) unsent() int { return len(o.queued) + o.sending }

// announce wakes the write goroutine if answers need it. It is called under the
// lock, after answers were queued.
func (s *session) announce() {
	o := &s.output
	if !o.busy && len(o.queued) > 0 && (o.waiting || len(o.queued) >= flushSize) {
		notify(s.wake)
	}
}

// write sends answers when announce says so.
func (s *session) write(ctx context.Context) {
	for {
		select {
		case <-s.wake:
			s.flush()
		case <-ctx.Done():
			return
		}
	}
}

// flush sends what is queued, unless another goroutine is about to.
func (s *session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLocked()
}

func (s *session) flushLocked() {
	o := &s.output
	if o.busy {
		return
	}
	o.busy = true
	for len(o.queued) > 0 && !s.ended {
		batch := o.queued
		o.queued, o.sending = o.spare[:0], len(batch)
		s.mu.Unlock()
		_, err := s.conn.Write(batch)
		if err != nil {
			s.end(fmt.Errorf("sending answers: %w", err))
		}
		s.mu.Lock()
		o.sending = 0
		if o.spare = batch; cap(batch) > spareSize {
			o.spare = nil
		}
		notify(s.room)
	}
	o.busy = false
}

// setWaiting says whether the reader waits, and if so sends what is queued.
// silent says that it waits for the host to begin a message.
func (s *session) setWaiting(waiting, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.output.waiting = waiting
	if s.silent = silent; len(s.early) > 0 {
		s.timeSilence()
	}
	if waiting {
		s.flushLocked()
	}
}

// timeSilence lets the time run out for early unlinks, or not.
func (s *session) timeSilence() {
	if s.silent {
		s.timer.Reset(s.options.UnlinkTimeout)
	} else {
		s.timer.Stop()
	}
}

// readConn is where the buffered reader gets its bytes, when it has none left:
// the moment to send.
func (s *session) readConn(p []byte) (int, error) {
	s.setWaiting(true, !s.inMessage && s.in.Buffered() == 0)
	defer s.setWaiting(false, false)
	return s.conn.Read(p)
}

// hangUpPause is how often a host that is not read from is looked after: the end
// of its connection is behind what it sent.
const hangUpPause = 100 * time.Millisecond

// admit waits until there is room for one more request whose buffer takes bytes.
// The error says that the session is over.
func (s *session) admit(urbs, bytes int) error {
	if fits, err := s.hasRoom(urbs, bytes); fits || err != nil {
		return err
	}
	s.setWaiting(true, false)
	defer s.setWaiting(false, false)
	stalled := time.NewTimer(s.options.StallTimeout)
	defer stalled.Stop()
	look := time.NewTicker(hangUpPause)
	defer look.Stop()
	for {
		if fits, err := s.hasRoom(urbs, bytes); fits || err != nil {
			return err
		}
		select {
		case <-s.room:
			stalled.Reset(s.options.StallTimeout)
		case <-stalled.C:
			return errStalled
		case <-look.C:
			if socket.HungUp(s.conn) {
				return errHostLeft
			}
		}
	}
}

// hasRoom reports whether a request fits within the limits; one that is alone
// always fits. The error is the cause of the end if the session has ended, for
// then the device gets no more of what the host had sent.
func (s *session) hasRoom(urbs, bytes int) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false, s.cause
	}
	used := s.held + s.output.unsent()
	fits := used == 0 || used+bytes <= s.options.MaxPendingBytes
	return fits && len(s.pending)+urbs <= s.options.MaxPending, nil
}
