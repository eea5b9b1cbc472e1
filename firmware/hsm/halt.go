package hsm

import (
	"maps"
	"slices"

	"usbhsm7/firmware/command"
)

// halt says why only a few commands work; 0: all do.
type halt uint8

const (
	haltTamper    halt = 1 << iota // until the tamper event is cleared
	haltRestart                    // until the device restarts
	haltTransport                  // until the HSM has left Secure Transport Mode

	haltAny = haltTamper | haltRestart | haltTransport
)

// worksIn says in which of these states a command works: it must in all that
// there are.
var worksIn = map[command.Code]halt{
	command.CodeInfo:        haltAny,
	command.CodeEcho:        haltAny,
	command.CodeMechanisms:  haltAny,
	command.CodeHSMPolicies: haltAny,
	command.CodeTamperShow:  haltAny,
	command.CodeSTMShow:     haltAny,
	command.CodeHSMRestart:  haltAny,
	command.CodeTimeGet:     haltAny,

	command.CodeSessionOpen:  haltAny,
	command.CodeSessionClose: haltAny,
	command.CodeSessionInfo:  haltAny,
	command.CodeLogin:        haltTamper | haltTransport, // of the HSM SO
	command.CodeLogout:       haltAny,
	command.CodeRoleState:    haltAny, // of the HSM SO

	command.CodeAuditConfig: haltAny,
	command.CodeAuditStatus: haltAny,

	command.CodeTamperClear: haltTamper | haltTransport,
	command.CodeSTMRecover:  haltTransport,
}

// WhileTampered lists the commands that work while the HSM is locked after a
// tamper event, and InTransport those that do in Secure Transport Mode.
func WhileTampered() []command.Code { return workingIn(haltTamper) }

// InTransport lists the commands that work in Secure Transport Mode.
func InTransport() []command.Code { return workingIn(haltTransport) }

func workingIn(h halt) []command.Code {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(worksIn)), func(c command.Code) bool { return worksIn[c]&h != h })
}

// halted tells what holds the HSM up.
func (s *state) halted() (h halt) {
	if s.tamper.Latched {
		h |= haltTamper
	}
	if s.restart {
		h |= haltRestart
	}
	if s.transport.active() {
		h |= haltTransport
	}
	return h
}

// admits refuses a command that does not work at present.
func (h halt) admits(code command.Code) error {
	if h == 0 {
		return nil
	}
	return (h &^ worksIn[code]).refusal()
}

// admitsRole refuses a role other than the HSM SO where only that one can do
// anything.
func (h halt) admitsRole(role command.Role) error {
	if role == command.RoleSO {
		return nil
	}
	return h.refusal()
}

func (h halt) refusal() error {
	switch {
	case h&haltTamper != 0:
		return command.StatusHSMTampered.With("the HSM was tampered with", "tamper-show tells how, tamper-clear unlocks the HSM")
	case h&haltRestart != 0:
		return command.StatusHSMTampered.With("the tamper event is cleared, and the device must restart", "restart it with hsm-restart")
	case h&haltTransport != 0:
		return command.StatusSTMCommand.With("the HSM is in Secure Transport Mode", "stm-recover ends it")
	}
	return nil
}
