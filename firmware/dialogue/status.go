package dialogue

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
)

// status is what the host is told of how a dialogue ended: nil if it did well. It
// never holds a secret.
func (t *talk) status(end event) error {
	switch end {
	case evDone:
		return nil
	case evCancel:
		return command.StatusFunctionCanceled.With("cancelled at the screen of the device", "")
	case evGone:
		return hostGone()
	case evLate:
		return t.lateStatus()
	}
	var refusal *command.Error
	switch {
	case errors.As(t.err, &refusal):
		return refusal
	case errors.Is(t.err, errBroken):
		return command.StatusGeneralError.With(t.err.Error(), "report it")
	case t.err != nil:
		return command.StatusPEDError.With(fmt.Sprintf("the port for iKeys failed: %v", t.err), "try again")
	}
	return command.StatusPEDError.With("the dialogue failed", "")
}

// lateStatus tells somebody who stopped half-way from nobody at all.
func (t *talk) lateStatus() error {
	hint := fmt.Sprintf("each step at the screen wants an answer within %d s", int(patience.Seconds()))
	if len(t.keys) > 0 && t.n == 0 {
		return command.StatusMissingSplits.With(fmt.Sprintf("%d of %d iKeys were presented", len(t.keys), t.keys[0].M), hint)
	}
	return command.StatusTimeout.With("nobody attended to the screen of the device in time", hint)
}

func hostGone() error {
	return command.StatusFunctionCanceled.With("cancelled by the host", "")
}

func poweredOff() error {
	return command.StatusFunctionCanceled.With("the device is switching off", "")
}
