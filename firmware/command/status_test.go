package command_test

import (
	"errors"
	"fmt"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

// published gives each constant the name that Thales publishes for its number.
var published = map[string]string{
	"StatusOK":                      "LUNA_RET_OK",
	"StatusGeneralError":            "LUNA_RET_GENERAL_ERROR",
	"StatusArgumentsBad":            "LUNA_RET_ARGUMENTS_BAD",
	"StatusCancel":                  "LUNA_RET_CANCEL",
	"StatusBufferTooSmall":          "LUNA_RET_BUFFER_TOO_SMALL",
	"StatusFMIDInvalid":             "LUNA_RET_FM_ID_INVALID",
	"StatusAttributeReadOnly":       "LUNA_RET_ATTRIBUTE_READ_ONLY",
	"StatusAttributeSensitive":      "LUNA_RET_ATTRIBUTE_SENSITIVE",
	"StatusAttributeTypeInvalid":    "LUNA_RET_ATTRIBUTE_TYPE_INVALID",
	"StatusAttributeNotFound":       "LUNA_RET_ATTRIBUTE_NOT_FOUND",
	"StatusAttributeValueInvalid":   "LUNA_RET_ATTRIBUTE_VALUE_INVALID",
	"StatusSecretMustBeSensitive":   "LUNA_RET_SECRET_KEY_MUST_BE_SENSITIVE",
	"StatusPrivateMustBeSensitive":  "LUNA_RET_PRIVATE_KEY_MUST_BE_SENSITIVE",
	"StatusDataLenRange":            "LUNA_RET_DATA_LEN_RANGE",
	"StatusDeviceError":             "LUNA_RET_DEVICE_ERROR",
	"StatusUnknownCommand":          "LUNA_RET_UNKNOWN_COMMAND",
	"StatusRNGError":                "LUNA_RET_RNG_ERROR",
	"StatusSOLoginFailureThreshold": "LUNA_RET_SO_LOGIN_FAILURE_THRESHOLD",
	"StatusTimeout":                 "LUNA_RET_TIMEOUT",
	"StatusPEDError":                "LUNA_RET_PED_ERROR",
	"StatusMissingSplits":           "LUNA_RET_MISSING_SPLITS",
	"StatusSplitDataInvalid":        "LUNA_RET_SPLIT_DATA_INVALID",
	"StatusVectorVersionInvalid":    "LUNA_RET_VECTOR_VERSION_INVALID",
	"StatusVectorOfDifferentSet":    "LUNA_RET_VECTOR_OF_DIFFERENT_SET",
	"StatusVectorDuplicate":         "LUNA_RET_VECTOR_DUPLICATE",
	"StatusVectorTypeInvalid":       "LUNA_RET_VECTOR_TYPE_INVALID",
	"StatusMofNSecretInvalid":       "LUNA_RET_M_OF_N_SECRET_INVALID",
	"StatusIncompatible":            "LUNA_RET_INCOMPATIBLE",
	"StatusTransmissionError":       "LUNA_RET_CL_TRANSMISSION_ERROR",
	"StatusNoTransmission":          "LUNA_RET_CL_NO_TRANSMISSION",
	"StatusCommandMalformed":        "LUNA_RET_CL_COMMAND_MALFORMED",
	"StatusMailboxesNotAvailable":   "LUNA_RET_CL_MAILBOXES_NOT_AVAILABLE",
	"StatusEncryptedDataInvalid":    "LUNA_RET_ENCRYPTED_DATA_INVALID",
	"StatusEncryptedDataLenRange":   "LUNA_RET_ENCRYPTED_DATA_LEN_RANGE",
	"StatusFunctionCanceled":        "LUNA_RET_FUNCTION_CANCELED",
	"StatusKeySizeRange":            "LUNA_RET_KEY_SIZE_RANGE",
	"StatusKeyTypeInconsistent":     "LUNA_RET_KEY_TYPE_INCONSISTENT",
	"StatusKeyInvalidForOperation":  "LUNA_RET_KEY_INVALID_FOR_OPERATION",
	"StatusMechanismInvalid":        "LUNA_RET_MECHANISM_INVALID",
	"StatusMechanismParamInvalid":   "LUNA_RET_MECHANISM_PARAM_INVALID",
	"StatusObjectHandleInvalid":     "LUNA_RET_OBJECT_HANDLE_INVALID",
	"StatusMaxObjectCount":          "LUNA_RET_MAX_OBJECT_COUNT",
	"StatusOperationActive":         "LUNA_RET_OPERATION_ACTIVE",
	"StatusOperationNotInitialized": "LUNA_RET_OPERATION_NOT_INITIALIZED",
	"StatusPINIncorrect":            "LUNA_RET_UM_PIN_INCORRECT",
	"StatusPINIncorrectZeroized":    "LUNA_RET_UM_PIN_INCORRECT_CONTAINER_ZEROIZED",
	"StatusPINIncorrectLocked":      "LUNA_RET_UM_PIN_INCORRECT_CONTAINER_LOCKED",
	"StatusPINInvalid":              "LUNA_RET_UM_PIN_INVALID",
	"StatusPINLenRange":             "LUNA_RET_UM_PIN_LEN_RANGE",
	"StatusLicenceCapacity":         "LUNA_RET_LICENSE_CAPACITY_EXCEEDED",
	"StatusLicenceUnknown":          "LUNA_RET_LICENSE_ID_UNKNOWN",
	"StatusBadSerial":               "LUNA_RET_BAD_SN",
	"StatusBadFWVersion":            "LUNA_RET_BAD_FW_VERSION",
	"StatusInvalidFUFTarget":        "LUNA_RET_INVALID_FUF_TARGET",
	"StatusInvalidFUFHeader":        "LUNA_RET_INVALID_FUF_HEADER",
	"StatusInvalidFUFVersion":       "LUNA_RET_INVALID_FUF_VERSION",
	"StatusFWUpdateDenied":          "LUNA_RET_CCM_FWUPDATE_DENIED",
	"StatusChallengeRequiresPED":    "LUNA_RET_CHALLENGE_REQUIRES_PED",
	"StatusChallengeNotRequired":    "LUNA_RET_CHALLENGE_NOT_REQUIRED",
	"StatusChallengeInvalid":        "LUNA_RET_CHALLENGE_INVALID",
	"StatusChallengeIncorrect":      "LUNA_RET_CHALLENGE_RESPONSE_INCORRECT",
	"StatusPEDUnplugged":            "LUNA_RET_PED_UNPLUGGED",
	"StatusSessionHandleInvalid":    "LUNA_RET_SM_SESSION_HANDLE_INVALID",
	"StatusSessionReadOnly":         "LUNA_RET_SM_SESSION_READ_ONLY_EXISTS",
	"StatusSignatureInvalid":        "LUNA_RET_SIGNATURE_INVALID",
	"StatusSignatureLenRange":       "LUNA_RET_SIGNATURE_LEN_RANGE",
	"StatusTemplateIncomplete":      "LUNA_RET_TEMPLATE_INCOMPLETE",
	"StatusTemplateInconsistent":    "LUNA_RET_TEMPLATE_INCONSISTENT",
	"StatusTokenNotPresent":         "LUNA_RET_TOKEN_NOT_PRESENT",
	"StatusUserAlreadyLoggedIn":     "LUNA_RET_USER_ALREADY_LOGGED_IN",
	"StatusOtherUserLoggedIn":       "LUNA_RET_SM_OTHER_USER_LOGGED_IN",
	"StatusUserNotLoggedIn":         "LUNA_RET_USER_NOT_LOGGED_IN",
	"StatusPINNotInitialized":       "LUNA_RET_USER_PIN_NOT_INITIALIZED",
	"StatusUserTypeInvalid":         "LUNA_RET_USER_TYPE_INVALID",
	"StatusTooManyContainers":       "LUNA_RET_TOO_MANY_CONTAINERS",
	"StatusContainerLocked":         "LUNA_RET_CONTAINER_LOCKED",
	"StatusMultipleAccessDisabled":  "LUNA_RET_SM_MULTIPLE_ACCESS_DISABLED",
	"StatusSTMCommand":              "LUNA_RET_STM_CMD_NON_TRANSPORT",
	"StatusHSMTampered":             "LUNA_RET_HSM_TAMPERED",
	"StatusHSMStorageFull":          "LUNA_RET_HSM_STORAGE_FULL",
	"StatusObjectStorageFull":       "LUNA_RET_CONTAINER_OBJECT_STORAGE_FULL",
	"StatusPolicyChangeIllegal":     "LUNA_RET_RM_CONFIG_CHANGE_ILLEGAL",
	"StatusPolicyDependency":        "LUNA_RET_RM_CONFIG_CHANGE_FAILS_DEPENDENCIES",
	"StatusOperationRestricted":     "LUNA_RET_OPERATION_RESTRICTED",
	"StatusOnceOnly":                "LUNA_RET_CANNOT_PERFORM_OPERATION_TWICE",
	"StatusPolicyValueInvalid":      "LUNA_RET_RM_ELEMENT_VALUE_INVALID",
	"StatusPolicyIDInvalid":         "LUNA_RET_RM_ELEMENT_ID_INVALID",
	"StatusPolicyDestructive":       "LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE",
	"StatusPolicyNotDestructive":    "LUNA_RET_RM_POLICY_ELEMENT_NOT_DESTRUCTIVE",
	"StatusPolicyNotFound":          "LUNA_RET_POLICY_NOT_FOUND",
	"StatusPINExpired":              "LUNA_RET_SM_PIN_EXPIRED",
	"StatusLogFull":                 "LUNA_RET_LOG_FULL",
	"StatusLogNoKCV":                "LUNA_RET_LOG_NO_KCV",
	"StatusLogBadHMAC":              "LUNA_RET_LOG_BAD_RECORD_HMAC",
	"StatusNotEnoughMemory":         "LUNA_RET_MM_NOT_ENOUGH_MEMORY",
	"StatusKeyIndigestible":         "LUNA_RET_KEY_INDIGESTIBLE",
	"StatusKeyNotWrappable":         "LUNA_RET_KEY_NOT_WRAPPABLE",
	"StatusKeyUnextractable":        "LUNA_RET_KEY_UNEXTRACTABLE",
	"StatusUnwrappingKeyHandle":     "LUNA_RET_UNWRAPPING_KEY_HANDLE_INVALID",
	"StatusUnwrappingKeySize":       "LUNA_RET_UNWRAPPING_KEY_SIZE_RANGE",
	"StatusUnwrappingKeyType":       "LUNA_RET_UNWRAPPING_KEY_TYPE_INCONSISTENT",
	"StatusWrappedKeyInvalid":       "LUNA_RET_WRAPPED_KEY_INVALID",
	"StatusWrappedKeyLenRange":      "LUNA_RET_WRAPPED_KEY_LEN_RANGE",
	"StatusWrappingKeyHandle":       "LUNA_RET_WRAPPING_KEY_HANDLE_INVALID",
	"StatusWrappingKeySize":         "LUNA_RET_WRAPPING_KEY_SIZE_RANGE",
	"StatusWrappingKeyType":         "LUNA_RET_WRAPPING_KEY_TYPE_INCONSISTENT",
	"StatusLogBadTime":              "LUNA_RET_LOG_BAD_TIME",
	"StatusAuditLoginTimeout":       "LUNA_RET_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS",
	"StatusAuditLoginThreshold":     "LUNA_RET_AUDIT_LOGIN_FAILURE_THRESHOLD",
	"StatusCanNotChangeFunction":    "LUNA_RET_CAN_NOT_CHANGE_KEY_FUNCTION",
	"StatusSigningKeyMustBeLocal":   "LUNA_RET_SIGNING_KEY_MUST_BE_LOCAL",
	"StatusMultiFunctionKey":        "LUNA_RET_MULTI_FUNCTION_KEYS_NOT_ALLOWED",
	"StatusKeyNotActive":            "LUNA_RET_KEY_NOT_ACTIVE",
	"StatusAssignedNeedsAuthData":   "CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA",
	"StatusCannotMakeAssigned":      "CKR_ROLE_CANNOT_MAKE_KEYS_ASSIGNED",
	"StatusAssignedUnchangeable":    "CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED",
	"StatusAuthDataTooLarge":        "CKR_AUTH_DATA_TOO_LARGE",
	"StatusAuthDataTooSmall":        "CKR_AUTH_DATA_TOO_SMALL",
	"StatusAuthDataNotProvided":     "CKR_OH_AUTH_DATA_NOT_PROVIDED",
	"StatusKeyCannotBeAuthorized":   "CKR_KEY_CANNOT_BE_AUTHORIZED",
	"StatusKeyNotAuthorized":        "CKR_KEY_NOT_AUTHORIZED",
	"StatusAuthDataIncorrect":       "CKR_AUTH_DATA_INCORRECT",
	"StatusAssignedCannotBeReset":   "CKR_ASSIGNED_KEY_CANNOT_BE_RESET",
	"StatusAuthDataIncorrectLimit":  "CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED",
}

func TestStatusesHaveTheirPublishedNumbers(t *testing.T) {
	declared := constants(t, "status.go", "Status")
	for _, c := range declared {
		name, ok := command.Status(c.value).Name()
		if !ok || name != published[c.name] {
			t.Errorf("%s is %08X, which is published as %q, not %q", c.name, c.value, name, published[c.name])
		}
		if c.meaning == "" {
			t.Errorf("%s has no comment that says what it means", c.name)
		}
	}
	if len(declared) != len(published) {
		t.Errorf("status.go declares %d statuses, this test knows %d", len(declared), len(published))
	}
	requireAscending(t, declared, func(c constant) uint32 { return c.value })
}

func TestFramesHaveTheSameStatuses(t *testing.T) {
	same := map[uint32]command.Status{
		frame.StatusDataLenRange:          command.StatusDataLenRange,
		frame.StatusIncompatible:          command.StatusIncompatible,
		frame.StatusTransmissionError:     command.StatusTransmissionError,
		frame.StatusCommandMalformed:      command.StatusCommandMalformed,
		frame.StatusMailboxesNotAvailable: command.StatusMailboxesNotAvailable,
		frame.StatusFunctionCanceled:      command.StatusFunctionCanceled,
		frame.StatusOperationActive:       command.StatusOperationActive,
	}
	for number, status := range same {
		if number != uint32(status) {
			t.Errorf("frame has %08X for %v", number, status)
		}
	}
}

func TestStatusPrintsAsTheAdministratorsShellDoes(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{command.Status(0x10A0B), "10A0B : LUNA_RET_OPERATION_RESTRICTED"},
		{command.StatusPINIncorrect, "A00000 : LUNA_RET_UM_PIN_INCORRECT"},
		{command.Status(0x12345678), "12345678 : unknown status"},
		{command.StatusKeySizeRange.With("", ""), "620000 : LUNA_RET_KEY_SIZE_RANGE"},
		{command.StatusKeySizeRange.With("1024 bits is too short", ""), "1024 bits is too short (620000 : LUNA_RET_KEY_SIZE_RANGE)"},
		{command.StatusKeySizeRange.With("1024 bits is too short", "use 2048"), "1024 bits is too short (620000 : LUNA_RET_KEY_SIZE_RANGE); use 2048"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestErrorsCarryTheirStatus(t *testing.T) {
	err := fmt.Errorf("login: %w", command.StatusPINIncorrect.With("wrong password", ""))
	if !errors.Is(err, command.StatusPINIncorrect) || errors.Is(err, command.StatusPINInvalid) {
		t.Errorf("%v does not compare by its status", err)
	}
	if command.StatusOK.Err() != nil {
		t.Error("StatusOK is an error")
	}
	if !errors.Is(command.StatusPINIncorrect.Err(), command.StatusPINIncorrect) {
		t.Error("Err loses the status")
	}
}
