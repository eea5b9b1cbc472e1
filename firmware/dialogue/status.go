package dialogue

import (
	"errors"
	"fmt"
	"slices"

	"usbhsm7/firmware/command"
)

// status is what the host is told of how a dialogue ended: nil if it did well. It
// never holds a secret.
func (t *talk) status(end event) error {
	switch end {
	case evDone:
		return nil
	case evGone:
		return hostGone()
	case evCancel, evLate:
		if r, ok := t.refusal(); ok {
			return r.status.With(r.cause, r.hint)
		}
		if end == evLate {
			return t.lateStatus()
		}
		return command.StatusFunctionCanceled.With("cancelled at the screen of the device", "")
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

// refusal is what the host is told of an iKey that did not count.
type refusal struct {
	verdict     event
	status      command.Status
	cause, hint string
}

// refusals are those of which the host is told, if people leave after the last iKey
// that they presented. None of them is a failed login. A blank iKey and a wrong PIN
// are no refusals: nothing was presented.
var refusals = []refusal{
	{evMixed, command.StatusVectorOfDifferentSet, "the last iKey presented is of another keyset than the first one", "present iKeys of one keyset"},
	{evTwice, command.StatusVectorDuplicate, "the last iKey presented, or its duplicate, was presented already", "present as many different iKeys as open the keyset"},
	{evOther, command.StatusVectorTypeInvalid, "the last iKey presented is for something else", "present one with the sticker that the screen asks for"},
	{evVersion, command.StatusVectorVersionInvalid, "the last iKey presented was written by firmware of another version, in another layout", "present one that this device can read, or make the keyset anew"},
	{evUnfit, command.StatusSplitDataInvalid, "the last iKey presented contradicts the others of its keyset", "present others of the keyset"},
	{evDamaged, command.StatusSplitDataInvalid, "the last iKey presented is damaged", "present its duplicate, or another iKey of the keyset"},
}

// refusal returns what was wrong with the iKey that was presented last, and whether
// that is to be told.
func (t *talk) refusal() (refusal, bool) {
	i := slices.IndexFunc(refusals, func(r refusal) bool { return r.verdict == t.verdict })
	if i < 0 {
		return refusal{}, false
	}
	return refusals[i], true
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
