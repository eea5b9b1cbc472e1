package server

import "time"

// restTime is how long a session keeps the memory of busy times, and at most
// twice as long.
const restTime = 5 * time.Second

// rest notices that a session has been without new URBs for a while. The
// session's lock guards its flags. While nothing stirs no timer runs, so that an
// idle session costs no processor time at all.
type rest struct {
	timer   *time.Timer // tells watch to look
	running bool        // timer is set
	stirred bool        // a URB was submitted since it was set
}

// stir notes that a URB is submitted. The lock is held.
func (s *session) stir() {
	s.rest.stirred = true
	if !s.rest.running {
		s.rest.running = true
		s.rest.timer.Reset(restTime)
	}
}

// slim frees what a session at rest has kept for reuse.
func (s *session) slim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rest.stirred || s.output.busy {
		s.rest.stirred = false
		s.rest.timer.Reset(restTime)
		return
	}
	s.rest.running = false
	s.pool, s.idle, s.idlePackets, s.output.spare = pool{}, nil, 0, nil
	if len(s.output.queued) == 0 {
		s.output.queued = nil
	}
}
