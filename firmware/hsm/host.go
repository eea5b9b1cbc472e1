package hsm

import (
	"context"
	"sync"
	"sync/atomic"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/vault"
)

// Host is what one host has open: its sessions, its logins and its session
// objects. It is safe for use by several callers at once.
type Host struct {
	hsm      *HSM
	gone     atomic.Bool
	sessions sync.Map                 // uint32 -> *session
	logins   [2]atomic.Pointer[login] // by slot; nil: nobody
	objects  atomic.Pointer[object.Set]
	open     [2]int // sessions by slot; guarded by the HSM's mu
}

// session is one session of a host with a slot.
type session struct {
	handle   uint32
	slot     command.Slot
	readOnly bool
	closed   atomic.Bool
	keys     sync.Map // command.Handle -> authorised

	operations operations // under way
}

// login is a role that is logged in, with the key its password unlocked: the
// HSM SO's own key, or the partition key.
type login struct {
	role      command.Role
	key       []byte // guarded by the HSM's mu; wiped at logout
	seal      *vault.Sealer
	changeDue bool // until then the login is good for nothing else
}

// holdsKeys reports whether the role works with the partition's private objects.
func (l *login) holdsKeys() bool {
	info, ok := l.role.Info()
	return ok && info.Keys
}

// call is one command under way.
type call struct {
	ctx     context.Context
	hsm     *HSM
	host    *Host
	row     command.Row
	session *session // nil if the row needs none
	request any      // decoded
	login   *login   // of the session's slot when the call was authorised

	subject  command.Role   // who wants to log in
	uses     command.Handle // key of an operation under way
	message  string         // of an external event
	recorded bool           // the audit log has the call's event
}

// role returns on whose behalf the call runs: who is logged in to its slot, and
// nobody if that role must change its password first.
func (c *call) role() command.Role {
	if c.login == nil || c.login.changeDue {
		return command.RoleNone
	}
	return c.login.role
}

// seesPrivate reports whether the call may see the partition's private objects.
func (c *call) seesPrivate() bool {
	info, ok := c.role().Info()
	return ok && info.Keys
}

// Execute runs one command. Session is the handle in the frame, 0 where the
// command needs none. The answer is the encoded response, or the encoded
// command.ErrorResponse if the status is not StatusOK. The payload is not kept; its
// data may be wiped. When ctx ends before the change is made, nothing is changed
// and the status is StatusFunctionCanceled.
func (h *Host) Execute(ctx context.Context, code command.Code, session uint32, payload []byte) (command.Status, []byte) {
	answer, err := h.run(ctx, code, session, payload)
	if err != nil {
		return refusal(err)
	}
	return command.StatusOK, answer
}

func (h *Host) run(ctx context.Context, code command.Code, session uint32, payload []byte) ([]byte, error) {
	if h.gone.Load() {
		return nil, command.StatusNoTransmission.With("the link was closed", "connect again")
	}
	row, ok := command.Lookup(code)
	run, runs := handlers[code]
	if !ok || !runs {
		return nil, command.StatusUnknownCommand.Withf("%s is unknown", code)
	}
	c := &call{ctx: ctx, hsm: h.hsm, host: h, row: row}
	response, err := c.do(run, session, payload)
	if err := c.record(err); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	answer, err := command.MarshalIn(response, h.hsm.room)
	if err != nil {
		return nil, command.StatusGeneralError.With("the answer cannot be encoded", "report this")
	}
	return answer, nil
}

// do authorises, decodes and runs the call.
func (c *call) do(run handler, session uint32, payload []byte) (response any, err error) {
	if err := c.authorise(session); err != nil {
		return nil, err
	}
	if err := c.hasRoomInLog(); err != nil {
		return nil, err
	}
	if c.request, err = decode(c.row, payload); err != nil {
		return nil, err
	}
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	return run(c, c.request)
}

func decode(row command.Row, payload []byte) (any, error) {
	if row.Request == nil {
		return nil, command.Unmarshal(payload, nil)
	}
	request := row.Request()
	_, err := command.UnmarshalInPlace(payload, request)
	return request, err
}

// Close ends the host's sessions and logs it out.
func (h *Host) Close() {
	h.hsm.mu.Lock()
	defer h.hsm.mu.Unlock()
	h.leave()
}

// leave does the work of Close; the HSM's mu is held.
func (h *Host) leave() {
	h.gone.Store(true)
	h.closeSessions(command.SlotPartition)
	h.closeSessions(command.SlotAdmin)
	delete(h.hsm.hosts, h)
}
