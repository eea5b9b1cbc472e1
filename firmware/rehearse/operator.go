package rehearse

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/hsm/peopletest"
)

// Passwords of the rehearsals, and names of keysets where roles have these. Every
// role has its usual one; next is what it changes to, and wrong is nobody's.
const (
	next  = "another-password"
	first = "first-password"
	wrong = "a-wrong-password"

	challenge = "the-challenge-secret" // of the Crypto Officer that has a keyset; next is another one
)

func usual(r command.Role) string { return r.String() + "-password" }

// Operator works at a host: it has a session with each slot and sends commands.
// The first failure stays and ends its work; see err.
type Operator struct {
	machine machine
	admin   uint32
	user    uint32 // 0 until there is a partition
	quorum  bool   // roles have keysets
	answer  string // the challenge secret that was sent last
	err     error
}

// NewOperator returns an operator at a host of its own in front of a core.
func NewOperator(core *device.Core) *Operator {
	return newOperator(&coreMachine{core: core, host: core.HSM.Connect(), people: new(peopletest.People)})
}

// Err returns what has ended the operator's work; nil: nothing has.
func (o *Operator) Err() error { return o.err }

// newOperator opens a session with the HSM, and one with the partition if there
// is one.
func newOperator(m machine) *Operator {
	o := &Operator{machine: m}
	o.admin = o.open(command.SlotAdmin)
	var info command.InfoResponse
	o.Must(command.CodeInfo, 0, nil, &info)
	o.quorum = info.Method == command.AuthQuorum
	if info.Partition != command.PartitionAbsent {
		o.user = o.open(command.SlotPartition)
	}
	return o
}

// Session returns the session with a slot.
func (o *Operator) Session(slot command.Slot) uint32 {
	if slot == command.SlotAdmin {
		return o.admin
	}
	return o.user
}

// Do sends a command and returns its status. The answer to one that succeeds
// goes into out.
func (o *Operator) Do(code command.Code, session uint32, in, out any) command.Status {
	if o.err != nil {
		return command.StatusGeneralError
	}
	payload, err := command.Marshal(in)
	if err != nil {
		o.err = err
		return command.StatusGeneralError
	}
	status, answer, err := o.machine.execute(code, session, payload)
	if err == nil && status == command.StatusOK && out != nil {
		err = command.Unmarshal(answer, out)
	}
	if err != nil {
		o.err = fmt.Errorf("%s: %w", code, err)
	}
	return status
}

// Must sends a command that succeeds.
func (o *Operator) Must(code command.Code, session uint32, in, out any) {
	o.expect(command.StatusOK, o.Do(code, session, in, out), code)
}

func (o *Operator) expect(want, got command.Status, code command.Code) {
	if o.err == nil && got != want {
		o.err = fmt.Errorf("%s: %v, want %v", code, got, want)
	}
}

func (o *Operator) open(slot command.Slot) uint32 {
	var r command.SessionOpenResponse
	o.Must(command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: slot}, &r)
	return r.Session
}

// secret returns the password to send to an HSM that is to take it; or it has the
// people make the keyset of that name, and there is none to send.
func (o *Operator) secret(name string) []byte {
	if !o.quorum {
		return []byte(name)
	}
	o.machine.crew().Make(name)
	return nil
}

// method returns how the roles of an HSM that is initialised now authenticate.
func (o *Operator) method() command.AuthMethod {
	if o.quorum {
		return command.AuthQuorum
	}
	return command.AuthNone
}

// tryLogin logs a role in, or not.
func (o *Operator) tryLogin(role command.Role, password string) command.Status {
	if o.quorum {
		var state command.RoleStateResponse
		o.Do(command.CodeRoleState, o.Session(role.Slot()), &command.RoleStateRequest{Role: role}, &state)
		if state.Primary == command.AuthQuorum {
			return o.tryKeyset(role, password, state.Secondary != command.AuthNone)
		}
	}
	return o.Do(command.CodeLogin, o.Session(role.Slot()), &command.LoginRequest{Role: role, Password: []byte(password)}, nil)
}

// tryKeyset logs a role in with a keyset, and one of the challenge secrets if it
// has any, or not.
func (o *Operator) tryKeyset(role command.Role, keyset string, challenged bool) (status command.Status) {
	o.machine.crew().Bring(keyset)
	if o.answer = ""; !challenged {
		return o.Do(command.CodeLogin, o.Session(role.Slot()), &command.LoginRequest{Role: role}, nil)
	}
	for _, o.answer = range []string{challenge, next} {
		status = o.Do(command.CodeLogin, o.Session(role.Slot()), &command.LoginRequest{Role: role, Password: []byte(o.answer)}, nil)
		if status != command.StatusChallengeIncorrect {
			break
		}
	}
	return status
}

// Try logs a role in with its usual password, if the device lets it.
func (o *Operator) Try(role command.Role) command.Status { return o.tryLogin(role, usual(role)) }

// Login logs a role in with its usual password.
func (o *Operator) Login(role command.Role) {
	o.expect(command.StatusOK, o.Try(role), command.CodeLogin)
}

// Logout logs a role out.
func (o *Operator) Logout(role command.Role) {
	o.Must(command.CodeLogout, o.Session(role.Slot()), nil, nil)
}

// Fail has a role try wrong passwords.
func (o *Operator) Fail(role command.Role, times int) {
	for range times {
		o.expect(command.StatusPINIncorrect, o.tryLogin(role, wrong), command.CodeLogin)
	}
}

// Tamper has a sensor find something.
func (o *Operator) Tamper(cause command.TamperCause) {
	if o.err == nil {
		o.err = o.machine.tamper(cause)
	}
}

// appoint has a role, whose superior is logged in, get its usual password. Then
// nobody is logged in to its slot.
func (o *Operator) appoint(role command.Role) {
	session := o.Session(role.Slot())
	if o.quorum {
		o.Must(command.CodeRoleInit, session, &command.RoleInitRequest{Role: role, Password: o.secret(usual(role))}, nil)
		o.Logout(role)
		return
	}
	o.Must(command.CodeRoleInit, session, &command.RoleInitRequest{Role: role, Password: []byte(first)}, nil)
	o.Logout(role)
	o.expect(command.StatusOK, o.tryLogin(role, first), command.CodeLogin)
	o.Must(command.CodeChangePassword, session, &command.ChangePasswordRequest{Old: []byte(first), New: []byte(usual(role))}, nil)
	o.Logout(role)
}

// TakeLog has the device forget what is in its audit log so far, as a host does that
// has it safe.
func (o *Operator) TakeLog() {
	var status command.AuditStatusResponse
	o.Must(command.CodeAuditStatus, o.admin, nil, &status)
	o.Must(command.CodeAuditAcknowledge, o.admin, &command.AuditAcknowledgeRequest{Through: status.Head.Number}, nil)
}
