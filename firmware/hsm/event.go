package hsm

import (
	"usbhsm7/firmware/command"
)

// unlimited commands run when the audit log is full: without them it could not
// be emptied.
var unlimited = map[command.Code]bool{
	command.CodeLogin: true, command.CodeLogout: true, command.CodeSessionOpen: true, command.CodeSessionClose: true,
	command.CodeTamperClear: true, command.CodeHSMRestart: true, command.CodeSTMRecover: true,
}

// hasRoomInLog refuses a call that would be recorded when the audit log is full.
func (c *call) hasRoomInLog() error {
	l := &c.hsm.audit
	class := c.row.Audit
	if !l.full.Load() || class&command.AuditLogManage != 0 || unlimited[c.row.Code] {
		return nil
	}
	if l.wants(class, true) || l.wants(class, false) {
		return command.StatusLogFull.With("the audit log is full", "have the host take its records (audit-read, audit-acknowledge)")
	}
	return nil
}

// keyUser is a request that uses a key.
type keyUser interface{ Uses() command.Handle }

// event describes the call as the audit log has it.
func (c *call) event(status command.Status) command.AuditEvent {
	e := command.AuditEvent{
		Time: c.hsm.clock().Unix(), Class: c.row.Audit, Operation: c.row.Code, Status: status, Message: c.message,
	}
	if c.session != nil {
		e.Slot, e.Session = c.session.slot, c.session.handle
	}
	if c.login != nil {
		e.Role = c.login.role
	}
	if c.subject != command.RoleNone {
		e.Role = c.subject
	}
	e.Object = c.usedKey()
	return e
}

// record adds the call, which ended with err, to the audit log, unless its
// change did. All but uses of keys are durable when it returns.
func (c *call) record(err error) error {
	l := &c.hsm.audit
	class, ok := c.row.Audit, err == nil
	if class == command.AuditNever || c.recorded || l.mask.Load() == 0 {
		return nil
	}
	firstUse := class == command.AuditUsage && ok && !l.wants(class, ok) && c.isFirstUse()
	if !firstUse && !l.wants(class, ok) {
		return nil
	}
	status := command.StatusOK
	if !ok {
		status = explain(err).Status
	}
	e := c.event(status)
	if firstUse {
		e.Class = command.AuditFirstUse
	}
	waiting, err := l.note(e)
	if err != nil {
		return err
	}
	if class == command.AuditUsage && waiting < auditGroup {
		return nil
	}
	return c.hsm.Sync()
}

// usedKey returns the key that the call uses, 0 if it uses none.
func (c *call) usedKey() command.Handle {
	if u, ok := c.request.(keyUser); ok {
		return u.Uses()
	}
	return c.uses
}

// isFirstUse reports whether first uses are recorded and this is one.
func (c *call) isFirstUse() bool {
	l := &c.hsm.audit
	key := c.usedKey()
	if key == 0 || !l.wants(command.AuditFirstUse, true) {
		return false
	}
	_, used := l.used.LoadOrStore(key, struct{}{})
	return !used
}

// note adds an event to the records that wait and returns how many do.
func (l *auditLog) note(e command.AuditEvent) (waiting int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chain == nil {
		return 0, nil
	}
	err = l.add(e)
	return len(l.pending), err
}
