package mech

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
)

// MaxData bounds the input of one operation in bytes, so that input plus
// signature, tag or padding always fits a message of 16 MiB.
const MaxData = 16<<20 - 1024

func notFor(t command.MechanismType, use string) error {
	return command.StatusMechanismInvalid.Withf("%s is not a mechanism for %s", t, use)
}

func inOnePart(t command.MechanismType) error {
	return command.StatusMechanismInvalid.With(fmt.Sprintf("%s takes its data in one part", t), "use the command for one part")
}

func wrongKey(t command.MechanismType) error {
	return command.StatusKeyTypeInconsistent.Withf("%s does not work with a key of this type", t)
}

func badParam(cause, hint string) error {
	return command.StatusMechanismParamInvalid.With(cause, hint)
}

func badLength(cause, hint string) error { return command.StatusDataLenRange.With(cause, hint) }

func badCiphertextLength(cause string) error {
	return command.StatusEncryptedDataLenRange.With(cause, "")
}

func undecipherable(cause string) error {
	return command.StatusEncryptedDataInvalid.With(cause, "")
}

func checkLength(data []byte) error {
	if len(data) > MaxData {
		return badLength(fmt.Sprintf("more than %d bytes of data in one operation", MaxData), "")
	}
	return nil
}

func verdict(ok bool) error {
	if !ok {
		return command.StatusSignatureInvalid.With("the signature does not belong to this data and key", "")
	}
	return nil
}

func signatureLength(want int) error {
	return command.StatusSignatureLenRange.Withf("a signature of this key has %d bytes", want)
}

// failed keeps a refusal of the entropy source, and says of any other failure
// only what could not be done.
func failed(err error, what string) error {
	if e := (*command.Error)(nil); errors.As(err, &e) {
		return e
	}
	return command.StatusGeneralError.With(what, "")
}
