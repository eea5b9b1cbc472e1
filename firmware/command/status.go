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

// The statuses this firmware returns, in the order of their numbers. The comments
// are the meanings that docs/protocol.md prints.
const (
	StatusOK                      Status = 0x00000000 // done
	StatusCancel                  Status = 0x00010000 // a functional module failed, or ended by itself
	StatusPolicyChangeIllegal     Status = 0x00010A06 // a policy would be less restrictive than the capability or the authentication permits
	StatusPolicyDependency        Status = 0x00010A07 // another policy stands against this one
	StatusLicenceCapacity         Status = 0x00010A09 // as many licences as the HSM takes
	StatusOperationRestricted     Status = 0x00010A0B // a policy or the state of the HSM does not permit it
	StatusOnceOnly                Status = 0x00010A0C // the role is initialised already, or the licence is there
	StatusChallengeRequiresPED    Status = 0x00010B01 // a challenge secret, and the role authenticates with a password
	StatusChallengeNotRequired    Status = 0x00010B02 // a password, and the role authenticates with iKeys and has no challenge secret
	StatusGeneralError            Status = 0x00050000 // a defect of the firmware; report it
	StatusArgumentsBad            Status = 0x00070000 // the payload is malformed, or a value in it is out of range
	StatusAttributeReadOnly       Status = 0x00100000 // an attribute that the host may not set, or an object that is not modifiable
	StatusCanNotChangeFunction    Status = 0x00100019 // partition policy 11 does not permit to change what a key may be used for
	StatusAttributeSensitive      Status = 0x00110000 // the value never leaves the device
	StatusAttributeTypeInvalid    Status = 0x00120000 // unknown attribute
	StatusAttributeNotFound       Status = 0x00120010 // the object has no such attribute
	StatusAttributeValueInvalid   Status = 0x00130000 // a value of the wrong kind, or one that the attribute does not take
	StatusSecretMustBeSensitive   Status = 0x00130013 // a secret key cannot be made with sensitive=false
	StatusPrivateMustBeSensitive  Status = 0x00130015 // a private key cannot be made with sensitive=false
	StatusPolicyValueInvalid      Status = 0x00200A00 // the policy does not take this value
	StatusPolicyIDInvalid         Status = 0x00200A01 // there is no such policy
	StatusPolicyDestructive       Status = 0x00200A04 // the change destroys what is stored, and that was not asked for
	StatusPolicyNotDestructive    Status = 0x00200A05 // destruction was asked for, and the change destroys nothing
	StatusLicenceUnknown          Status = 0x00200A08 // a licence for a capability that the firmware does not have
	StatusBadFWVersion            Status = 0x00200A0E // the firmware that runs is none that the update may replace, or the update is too old
	StatusBadSerial               Status = 0x00200A11 // a licence for another HSM
	StatusPolicyNotFound          Status = 0x00200A12 // a capability without a policy
	StatusChallengeInvalid        Status = 0x00200B04 // the role has a challenge secret, and none was given
	StatusDataLenRange            Status = 0x00210000 // data, or a whole message, is too long, or not of the length that the mechanism takes
	StatusDeviceError             Status = 0x00300000 // the storage failed
	StatusUnknownCommand          Status = 0x00300001 // no command has this number
	StatusRNGError                Status = 0x00300003 // the random number generator failed
	StatusSOLoginFailureThreshold Status = 0x0030000F // that was the HSM SO's last attempt: the HSM is zeroized
	StatusTimeout                 Status = 0x0030001F // nobody attended to the screen of the device in time, or a functional module took too long
	StatusIncompatible            Status = 0x00300024 // no common version of the protocol
	StatusPEDUnplugged            Status = 0x00300142 // people are wanted, and the device has no screen or no port for their iKeys
	StatusPEDError                Status = 0x00300144 // the port for iKeys failed
	StatusTransmissionError       Status = 0x00300203 // a frame or message arrived in part
	StatusNoTransmission          Status = 0x00300204 // a request before HELLO: the link is closed
	StatusCommandMalformed        Status = 0x00300205 // bytes that are no frame, or a frame that makes no sense
	StatusMailboxesNotAvailable   Status = 0x00300206 // too many requests or too many bytes under way
	StatusNotEnoughMemory         Status = 0x00310000 // the operations under way keep too much data, or a functional module uses too much
	StatusEncryptedDataInvalid    Status = 0x00400000 // wrong padding or tag: the ciphertext or the key is not the right one
	StatusEncryptedDataLenRange   Status = 0x00410000 // the ciphertext is shorter than a tag or no whole number of blocks
	StatusFunctionCanceled        Status = 0x00500000 // the host cancelled the request and it had no effect
	StatusKeySizeRange            Status = 0x00620000 // key size or curve is not supported
	StatusKeyTypeInconsistent     Status = 0x00630000 // the key is of another type than the mechanism works with
	StatusKeyInvalidForOperation  Status = 0x00630001 // the key's attributes do not permit the operation
	StatusKeyIndigestible         Status = 0x00670000 // the value of this key cannot be digested
	StatusSigningKeyMustBeLocal   Status = 0x00680001 // partition policy 17 permits signatures only with keys that were made in the device
	StatusKeyNotWrappable         Status = 0x00690000 // the key is of a kind that is not wrapped, or not with this key
	StatusKeyUnextractable        Status = 0x006A0000 // the key never leaves the device
	StatusMechanismInvalid        Status = 0x00700000 // unknown mechanism, or not one for this command
	StatusMechanismParamInvalid   Status = 0x00710000 // a parameter is missing, out of range, or not one of the mechanism
	StatusObjectHandleInvalid     Status = 0x00820000 // no such object, or it is not visible without a login
	StatusMaxObjectCount          Status = 0x00820001 // as many objects as the device can hold
	StatusOperationActive         Status = 0x00900000 // the tag is that of a request still in flight, or the session has such an operation under way
	StatusOperationNotInitialized Status = 0x00910000 // the session has no such operation under way
	StatusPINIncorrect            Status = 0x00A00000 // wrong password or keyset; the failure was counted
	StatusPINIncorrectZeroized    Status = 0x00A00001 // wrong password and the last attempt: the partition is zeroized
	StatusPINIncorrectLocked      Status = 0x00A00002 // wrong password and the last attempt: the role is locked
	StatusChallengeIncorrect      Status = 0x00A00B03 // wrong challenge secret; the failure was counted if partition policy 15 is off
	StatusPINInvalid              Status = 0x00A10000 // a new password with characters that are not allowed
	StatusPINLenRange             Status = 0x00A20000 // a password shorter than 8 or longer than 255 bytes
	StatusPINExpired              Status = 0x00A30000 // the password must be changed before anything else
	StatusSessionHandleInvalid    Status = 0x00B30000 // no such session, or one with another slot than the command needs
	StatusSessionReadOnly         Status = 0x00B70000 // the command writes and the session is read-only
	StatusSignatureInvalid        Status = 0x00C00000 // the signature or MAC is wrong
	StatusSignatureLenRange       Status = 0x00C10000 // the signature has not the length that the key makes
	StatusTemplateIncomplete      Status = 0x00D00000 // a required attribute is missing
	StatusTemplateInconsistent    Status = 0x00D10000 // attributes contradict each other, the mechanism or the command
	StatusMultiFunctionKey        Status = 0x00D10018 // partition policy 10 permits a key one kind of use only
	StatusTokenNotPresent         Status = 0x00E00000 // the slot does not exist, or there is no partition, or it is not initialised
	StatusUnwrappingKeyHandle     Status = 0x00F00000 // no such unwrapping key, or it is not visible without a login
	StatusUnwrappingKeySize       Status = 0x00F10000 // the mechanism does not work with an unwrapping key of this size
	StatusUnwrappingKeyType       Status = 0x00F20000 // the mechanism does not work with an unwrapping key of this type
	StatusUserAlreadyLoggedIn     Status = 0x01000000 // this role is already logged in
	StatusOtherUserLoggedIn       Status = 0x01000001 // another role is logged in to the slot
	StatusUserNotLoggedIn         Status = 0x01010000 // the command needs a role that is not logged in
	StatusPINNotInitialized       Status = 0x01020000 // the role has no password yet
	StatusUserTypeInvalid         Status = 0x01030000 // no such role in this slot
	StatusWrappedKeyInvalid       Status = 0x01100000 // the wrapped key is damaged, or wrapped with another key, or none
	StatusWrappedKeyLenRange      Status = 0x01120000 // the wrapped key has not the length that the mechanism or the template wants
	StatusWrappingKeyHandle       Status = 0x01130000 // no such wrapping key, or it is not visible without a login
	StatusWrappingKeySize         Status = 0x01140000 // the mechanism does not work with a wrapping key of this size
	StatusWrappingKeyType         Status = 0x01150000 // the mechanism does not work with a wrapping key of this type
	StatusBufferTooSmall          Status = 0x01500000 // a functional module has no room for a result, or gave too much
	StatusTooManyContainers       Status = 0x80000008 // the partition exists already
	StatusContainerLocked         Status = 0x80000009 // the role is locked
	StatusInvalidFUFTarget        Status = 0x8000000E // the update is for another product, another model or another use
	StatusInvalidFUFHeader        Status = 0x8000000F // the update file, or what it carries, is not genuine
	StatusInvalidFUFVersion       Status = 0x80000010 // the update needs another bootloader, client or data schema
	StatusAssignedNeedsAuthData   Status = 0x8000008F // a key can only be assigned if it has authorization data
	StatusCannotMakeAssigned      Status = 0x80000090 // the role may not make a key that is assigned
	StatusAssignedUnchangeable    Status = 0x80000091 // an assigned key cannot be changed
	StatusAuthDataTooLarge        Status = 0x80000092 // more than 255 bytes of authorization data
	StatusAuthDataTooSmall        Status = 0x80000093 // fewer than 4 bytes of authorization data
	StatusAuthDataNotProvided     Status = 0x80000094 // the key needs authorization data
	StatusKeyCannotBeAuthorized   Status = 0x80000096 // the key has no authorization data, or is locked
	StatusKeyNotAuthorized        Status = 0x80000097 // the session has not authorised the key
	StatusAuthDataIncorrect       Status = 0x80000098 // wrong authorization data; the failure was counted
	StatusAssignedCannotBeReset   Status = 0x8000009B // the authorization data of an assigned key can only be changed by who knows it
	StatusAuthDataIncorrectLimit  Status = 0x8000009C // wrong authorization data and the last attempt: the key is locked
	StatusMissingSplits           Status = 0x80000207 // fewer iKeys were presented than open the keyset
	StatusSplitDataInvalid        Status = 0x80000208 // the last iKey presented is damaged, or contradicts the others of its keyset
	StatusVectorVersionInvalid    Status = 0x80000219 // the last iKey presented was written in another version of the layout
	StatusVectorOfDifferentSet    Status = 0x8000021A // the last iKey presented is of another keyset than the ones before
	StatusVectorDuplicate         Status = 0x8000021B // the last iKey presented, or its duplicate, was presented before
	StatusVectorTypeInvalid       Status = 0x8000021C // the last iKey presented is for something else
	StatusMofNSecretInvalid       Status = 0x80000221 // the iKeys do not open the secret of their keyset
	StatusFWUpdateDenied          Status = 0x80000306 // the authentication code is not the one of the update
	StatusMultipleAccessDisabled  Status = 0x80000402 // as many sessions as the device can hold
	StatusSTMCommand              Status = 0x80000534 // the HSM is in Secure Transport Mode, in which few commands work
	StatusHSMTampered             Status = 0x80000535 // a sensor found something: few commands work until it is cleared
	StatusHSMStorageFull          Status = 0x80000902 // no room on the flash
	StatusObjectStorageFull       Status = 0x80000903 // no room for another object
	StatusKeyNotActive            Status = 0x80000904 // the key is used up, out of its dates, or locked
	StatusFMIDInvalid             Status = 0x80000B00 // no such functional module, or no such function in it
	StatusLogFull                 Status = 0x80000D03 // the audit log is full; the host has to take its records
	StatusLogNoKCV                Status = 0x80000D04 // the audit domain, or the secret of the HSM, is not there
	StatusLogBadHMAC              Status = 0x80000D05 // an audit secret that does not open
	StatusLogBadTime              Status = 0x80000D06 // a time that no clock shows
	StatusAuditLoginTimeout       Status = 0x80000D09 // the Auditor has to wait after wrong passwords
	StatusAuditLoginThreshold     Status = 0x80000D0A // that was the Auditor's last attempt for now
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

// Withf is With for a formatted cause and no hint.
func (s Status) Withf(format string, args ...any) *Error {
	return &Error{Status: s, Cause: fmt.Sprintf(format, args...)}
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
