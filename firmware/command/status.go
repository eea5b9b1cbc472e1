package command

import "fmt"

// Status is the 32-bit result of a command. The high half suggests a PKCS#11
// CKR value, the low half is a detail. Numbers and names are those that Thales
// publishes for this product family (pycryptoki, retcodes.py); StatusName
// knows all of them, the constants below are the ones this firmware returns.
//
// A Status is itself an error, so errors.Is(err, StatusPINIncorrect) holds for
// every error that carries it.
type Status uint32

const (
	StatusOK                      Status = 0x00000000
	StatusOperationRestricted     Status = 0x00010A0B
	StatusGeneralError            Status = 0x00050000
	StatusArgumentsBad            Status = 0x00070000
	StatusAttributeReadOnly       Status = 0x00100000
	StatusAttributeSensitive      Status = 0x00110000
	StatusAttributeTypeInvalid    Status = 0x00120000
	StatusAttributeNotFound       Status = 0x00120010
	StatusAttributeValueInvalid   Status = 0x00130000
	StatusDataInvalid             Status = 0x00200000
	StatusDataLenRange            Status = 0x00210000
	StatusDeviceError             Status = 0x00300000
	StatusUnknownCommand          Status = 0x00300001
	StatusSOLoginFailureThreshold Status = 0x0030000F
	StatusRNGError                Status = 0x00300003
	StatusIncompatible            Status = 0x00300024
	StatusTransmissionError       Status = 0x00300203
	StatusCommandMalformed        Status = 0x00300205
	StatusMailboxesNotAvailable   Status = 0x00300206
	StatusEncryptedDataInvalid    Status = 0x00400000
	StatusEncryptedDataLenRange   Status = 0x00410000
	StatusFunctionCanceled        Status = 0x00500000
	StatusKeySizeRange            Status = 0x00620000
	StatusKeyTypeInconsistent     Status = 0x00630000
	StatusKeyInvalidForOperation  Status = 0x00630001
	StatusMechanismInvalid        Status = 0x00700000
	StatusMechanismParamInvalid   Status = 0x00710000
	StatusObjectHandleInvalid     Status = 0x00820000
	StatusMaxObjectCount          Status = 0x00820001
	StatusOperationActive         Status = 0x00900000
	StatusOperationNotInitialized Status = 0x00910000
	StatusPINIncorrect            Status = 0x00A00000
	StatusPINIncorrectZeroized    Status = 0x00A00001 // and that was the last attempt: the container is zeroized
	StatusPINIncorrectLocked      Status = 0x00A00002 // and that was the last attempt: the role is locked
	StatusPINInvalid              Status = 0x00A10000
	StatusPINLenRange             Status = 0x00A20000
	StatusSessionHandleInvalid    Status = 0x00B30000
	StatusSessionReadOnly         Status = 0x00B70000
	StatusSignatureInvalid        Status = 0x00C00000
	StatusSignatureLenRange       Status = 0x00C10000
	StatusTemplateIncomplete      Status = 0x00D00000
	StatusTemplateInconsistent    Status = 0x00D10000
	StatusTokenNotPresent         Status = 0x00E00000
	StatusUserAlreadyLoggedIn     Status = 0x01000000
	StatusOtherUserLoggedIn       Status = 0x01000001
	StatusUserNotLoggedIn         Status = 0x01010000
	StatusPINNotInitialized       Status = 0x01020000
	StatusUserTypeInvalid         Status = 0x01030000
	StatusTooManyContainers       Status = 0x80000008
	StatusContainerLocked         Status = 0x80000009
	StatusMultipleAccessDisabled  Status = 0x80000402
	StatusHSMStorageFull          Status = 0x80000902
	StatusObjectStorageFull       Status = 0x80000903
)

// Name returns the published name, such as LUNA_RET_UM_PIN_INCORRECT, and
// whether the number has one.
func (s Status) Name() (string, bool) {
	name, ok := statusNames[s]
	return name, ok
}

// Error returns the status as the real administrator's shell prints it:
// hexadecimal without leading zeros, then the name.
func (s Status) Error() string {
	if name, ok := s.Name(); ok {
		return fmt.Sprintf("%X : %s", uint32(s), name)
	}
	return fmt.Sprintf("%X : unknown status", uint32(s))
}

// Err returns nil for StatusOK and s otherwise.
func (s Status) Err() error {
	if s == StatusOK {
		return nil
	}
	return s
}

// With returns an Error with s, its cause and a hint, either of which may be empty.
func (s Status) With(cause, hint string) *Error {
	return &Error{Status: s, Cause: cause, Hint: hint}
}

// Error is a refusal: the status on the wire, what was wrong, and what the
// user can do about it. It never holds a secret.
type Error struct {
	Status Status
	Cause  string
	Hint   string
}

// Error returns cause, hint and status in one line.
func (e *Error) Error() string {
	text := e.Status.Error()
	if e.Cause != "" {
		text = e.Cause + " (" + text + ")"
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns the status.
func (e *Error) Unwrap() error { return e.Status }
