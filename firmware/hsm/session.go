package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
)

// MaxSessions bounds the sessions of all hosts.
const MaxSessions = 1024

func (c *call) sessionOpen(r *command.SessionOpenRequest) (*command.SessionOpenResponse, error) {
	s := &session{slot: r.Slot, readOnly: r.ReadOnly}
	err := c.update(func(u *update) error {
		if err := u.admits(r.Slot); err != nil {
			return err
		}
		u.after(func() { c.host.openSession(s) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &command.SessionOpenResponse{Session: s.handle}, nil
}

// admits checks that a session with a slot can be opened.
func (u *update) admits(slot command.Slot) error {
	switch {
	case slot != command.SlotAdmin && slot != command.SlotPartition:
		return command.StatusTokenNotPresent.With(fmt.Sprintf("there is no slot %d", slot), "the HSM is slot 1, the partition slot 0")
	case slot == command.SlotPartition && u.state.partition.State == command.PartitionAbsent:
		return command.StatusTokenNotPresent.With("there is no partition", "the HSM SO creates it")
	case u.hsm.sessions.Load() >= MaxSessions, u.hsm.lastSession == ^uint32(0):
		return command.StatusMultipleAccessDisabled.With(fmt.Sprintf("%d sessions are open", MaxSessions), "close some")
	}
	return nil
}

// openSession gives s its handle; the HSM's mu is held.
func (h *Host) openSession(s *session) {
	h.hsm.lastSession++
	s.handle = h.hsm.lastSession
	h.sessions.Store(s.handle, s)
	h.open[s.slot]++
	h.hsm.sessions.Add(1)
}

func (c *call) sessionClose() error {
	return c.update(func(u *update) error {
		u.after(func() { c.host.closeSession(c.session) })
		return nil
	})
}

// closeSession ends a session with its objects; the last one of a slot logs
// out. The HSM's mu is held.
func (h *Host) closeSession(s *session) {
	s.closed.Store(true)
	s.dropAll()
	h.sessions.Delete(s.handle)
	h.hsm.sessions.Add(-1)
	h.dropObjects(func(o *object.Object) bool { return o.Owner == s.handle })
	if h.open[s.slot]--; h.open[s.slot] == 0 {
		h.logOut(s.slot)
	}
}

// closeSessions ends all sessions with a slot; the HSM's mu is held.
func (h *Host) closeSessions(slot command.Slot) {
	h.eachSession(slot, h.closeSession)
}

func (h *Host) eachSession(slot command.Slot, f func(*session)) {
	h.sessions.Range(func(_, v any) bool {
		if s := v.(*session); s.slot == slot {
			f(s)
		}
		return true
	})
}

// dropObject forgets one session object; the HSM's mu is held.
func (h *Host) dropObject(o *object.Object) {
	after := h.objects.Load().Without(o.Handle)
	h.objects.Store(&after)
	h.hsm.objects--
}

// dropObjects forgets session objects; the HSM's mu is held.
func (h *Host) dropObjects(which func(*object.Object) bool) {
	before := h.objects.Load()
	if before.Len() == 0 {
		return
	}
	after := before.Where(func(o *object.Object) bool { return !which(o) })
	h.objects.Store(&after)
	h.hsm.objects -= before.Len() - after.Len()
}

func (c *call) sessionInfo() (*command.SessionInfoResponse, error) {
	info := &command.SessionInfoResponse{Slot: c.session.slot, ReadOnly: c.session.readOnly}
	if c.login != nil {
		info.Role = c.login.role
	}
	return info, nil
}
