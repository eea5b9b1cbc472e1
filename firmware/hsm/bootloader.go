package hsm

import (
	"time"

	"usbhsm7/firmware/command"
)

// Bootloader changes the firmware of the device. Firmware that it is told to
// activate, or to go back to, runs after the next power-on. Errors have a
// command.Status. It may be used by several callers at once.
type Bootloader interface {
	// Plan tells what an update would do; the authentication code may be missing.
	// It changes nothing.
	Plan(head, authcode []byte, f UpdateFacts) (*command.UpdatePlanResponse, error)
	// Begin begins an update, or goes on with it. It changes nothing unless
	// the update may be made.
	Begin(head, authcode []byte, f UpdateFacts) error
	// Chunks takes chunks in a row, which are durable when it returns.
	Chunks(first uint, run []byte) error
	// Stage verifies the whole.
	Stage() error
	// Ready reports why what is staged must not be activated, or no more. It changes
	// nothing, and does not look at the client's version.
	Ready(f UpdateFacts) error
	// Activate has what is staged run after the next power-on.
	Activate() error
	// Abort gives an update up that is not active yet.
	Abort() error
	// Rollback has the firmware before run after the next power-on; all that the
	// HSM holds must then be erased. modules says whether functional modules were
	// ever permitted, which rules it out.
	Rollback(modules bool) error
	// RaiseFloor sets the lowest security version that is allowed.
	RaiseFloor(security uint32) error
	// Licence verifies a capability update and returns what it brings. It changes
	// nothing.
	Licence(file, authcode []byte, f UpdateFacts) (*Licence, error)
	// Module verifies the file of a functional module and returns what is in it. It
	// changes nothing.
	Module(file, authcode []byte, f UpdateFacts) (*Module, error)
	// Status tells about the firmware and an update that is under way.
	Status() (*command.UpdateStatus, error)
}

// UpdateFacts is what the HSM knows and its bootloader does not.
type UpdateFacts struct {
	Now         time.Time
	Client      string // version of the host's software
	PoliciesOn  []uint32
	FreePercent uint32 // of the storage
}
