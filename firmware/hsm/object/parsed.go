package object

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
)

// Parsed returns the object's key whatever it may be used for. Errors carry
// StatusDeviceError.
func (o *Object) Parsed() (*mech.Key, error) {
	key, err := o.key()
	if err != nil {
		return nil, command.StatusDeviceError.With("the stored key is damaged", "destroy it, and bring it back from where it was backed up")
	}
	return key, nil
}
