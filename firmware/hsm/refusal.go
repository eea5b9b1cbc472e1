package hsm

import (
	"context"
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/store"
)

// refusal turns an error into a status and the payload that goes with it.
func refusal(err error) (command.Status, []byte) {
	e := explain(err)
	payload, err := command.Marshal(command.ErrorResponse{Cause: e.Cause, Hint: e.Hint})
	if err != nil {
		return e.Status, nil
	}
	return e.Status, payload
}

// explain finds the refusal in an error. What is none comes from the storage,
// whose errors name records but never hold what is in them.
func explain(err error) *command.Error {
	var e *command.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return command.StatusFunctionCanceled.With("the command was cancelled", "")
	case errors.Is(err, store.ErrFull):
		return command.StatusHSMStorageFull.With("the storage is full", "destroy objects")
	}
	return StorageFailed(err)
}

// StorageFailed is the refusal of a command whose storage failed. The store takes no
// change after that until the device has restarted, which nobody has to log in for.
func StorageFailed(err error) *command.Error {
	return command.StatusDeviceError.With("the storage failed: "+err.Error(), "see to the cause, then restart the device with hsm-restart")
}
