package main

import (
	"errors"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/control"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// Errors that decide the exit status.
var (
	errUsage  = errors.New("wrong use")
	errLocked = errors.New("the state directory is in use by another usbhsm7")
	errListen = errors.New("cannot listen")
	errPerson = errors.New("nobody attends to the device any more (--auto)")
	errAttach = errors.New("cannot attach the device to this machine's kernel")
)

// exitCorrupt is the exit status of a device that does not start on its flash.
const exitCorrupt = 4

// exits maps errors to exit statuses. It is also the text of --help.
var exits = []struct {
	status int
	when   string
	err    error // nil: any other error
}{
	{2, "wrong flags or arguments", errUsage},
	{3, "the state directory is in use by another process", errLocked},
	{exitCorrupt, "the state is corrupt or not a device's; it was left as it is", flash.ErrCorrupt},
	{exitCorrupt, "", store.ErrCorrupt},
	{exitCorrupt, "", boot.ErrCorrupt},
	{5, "cannot listen on the address", errListen},
	{6, "cannot attach to the kernel (--attach); hsm7 doctor says what is missing", errAttach},
	{7, "the script of --auto does not know what to do", errPerson},
	{1, "any other failure", nil},
}

// exitStatus returns the exit status for err, 0 for nil.
func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	for _, exit := range exits {
		if exit.err != nil && errors.Is(err, exit.err) {
			return exit.status
		}
	}
	return 1
}

// advise adds to an error of a device that does not start on its flash what to do
// about it.
func advise(err error) error {
	if exitStatus(err) != exitCorrupt {
		return err
	}
	return &control.Advice{Err: err, Hint: "the flash was left as it is: go back to a snapshot, or begin anew with another --state-dir; docs/recovery.md tells how"}
}
