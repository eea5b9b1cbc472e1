package hsm

import (
	"maps"
	"slices"

	"usbhsm7/firmware/command"
)

// worksIn says in which of these states a command works: it must in all that
// there are.
var worksIn = map[command.Code]command.Halt{
	command.CodeInfo:        command.HaltAny,
	command.CodeEcho:        command.HaltAny,
	command.CodeMechanisms:  command.HaltAny,
	command.CodeHSMPolicies: command.HaltAny,
	command.CodeTamperShow:  command.HaltAny,
	command.CodeSTMShow:     command.HaltAny,
	command.CodeHSMRestart:  command.HaltAny,
	command.CodeTimeGet:     command.HaltAny,

	command.CodeUpdatePlan:   command.HaltAny,
	command.CodeUpdateStatus: command.HaltAny,
	command.CodeLicences:     command.HaltAny,

	command.CodeSessionOpen:  command.HaltAny,
	command.CodeSessionClose: command.HaltAny,
	command.CodeSessionInfo:  command.HaltAny,
	command.CodeLogin:        command.HaltTamper | command.HaltTransport | command.HaltRecovery, // of the HSM SO
	command.CodeLogout:       command.HaltAny,
	command.CodeRoleState:    command.HaltAny, // of the HSM SO

	command.CodeAuditConfig: command.HaltAny,
	command.CodeAuditStatus: command.HaltAny,

	command.CodeTamperClear: command.HaltTamper | command.HaltTransport | command.HaltRecovery,
	command.CodeSTMRecover:  command.HaltTransport | command.HaltRecovery,

	// Who has no HSM SO any more makes one, to send an update.
	command.CodeHSMInit:        command.HaltRecovery,
	command.CodeUpdateBegin:    command.HaltRecovery,
	command.CodeUpdateChunk:    command.HaltRecovery,
	command.CodeUpdateStage:    command.HaltRecovery,
	command.CodeUpdateApply:    command.HaltRecovery,
	command.CodeUpdateAbort:    command.HaltRecovery,
	command.CodeUpdateRollback: command.HaltRecovery,
}

// WhileTampered lists the commands that work while the HSM is locked after a
// tamper event, and InTransport those that do in Secure Transport Mode.
func WhileTampered() []command.Code { return workingIn(command.HaltTamper) }

// InTransport lists the commands that work in Secure Transport Mode.
func InTransport() []command.Code { return workingIn(command.HaltTransport) }

// InRecovery lists the commands that work while the device waits for an update in the
// place of firmware that has decayed.
func InRecovery() []command.Code { return workingIn(command.HaltRecovery) }

func workingIn(h command.Halt) []command.Code {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(worksIn)), func(c command.Code) bool { return worksIn[c]&h != h })
}

// halted tells what holds the HSM up.
func (s *state) halted() (h command.Halt) {
	if s.tamper.Latched {
		h |= command.HaltTamper
	}
	if s.restart {
		h |= command.HaltRestart
	}
	if s.transport.active() {
		h |= command.HaltTransport
	}
	if !s.converted.IsZero() {
		h |= command.HaltConversion
	}
	return h
}

// admits refuses a command that does not work at present.
func (s *state) admits(code command.Code) error {
	if s.halt == 0 {
		return nil
	}
	err := halting(s.halt &^ worksIn[code])
	if s.halt == command.HaltTransport && err != nil && changesFirmware[code] {
		return command.StatusOperationRestricted.With("the HSM is in Secure Transport Mode", "stm-recover ends it")
	}
	return err
}

// changesFirmware has the commands that the real product refuses in Secure
// Transport Mode with a status of their own.
var changesFirmware = map[command.Code]bool{
	command.CodeUpdateBegin: true, command.CodeUpdateChunk: true, command.CodeUpdateStage: true, command.CodeUpdateApply: true,
	command.CodeUpdateAbort: true, command.CodeUpdateRollback: true, command.CodeUpdateFloor: true,
	command.CodeUpdateCapability: true,
}

// admitsRole refuses a role other than the HSM SO where only that one can do
// anything.
func (s *state) admitsRole(role command.Role) error {
	if role == command.RoleSO {
		return nil
	}
	return halting(s.halt)
}

// halting is the refusal that belongs to a halt, nil to none.
func halting(h command.Halt) error {
	switch {
	case h&command.HaltTamper != 0:
		return command.StatusHSMTampered.With("the HSM was tampered with", "tamper-show tells how, tamper-clear unlocks the HSM")
	case h&command.HaltRestart != 0:
		return command.StatusHSMTampered.With("the tamper event is cleared, and the device must restart", "restart it with hsm-restart")
	case h&command.HaltConversion != 0:
		return command.StatusOperationRestricted.With("the device converts its data for the firmware that runs: do not switch it off", "try again later")
	case h&command.HaltRecovery != 0:
		return command.StatusOperationRestricted.With("the firmware that was installed has decayed and does not run", "update it: update-status tells which version it was")
	case h&command.HaltTransport != 0:
		return command.StatusSTMCommand.With("the HSM is in Secure Transport Mode", "stm-recover ends it")
	}
	return nil
}
