package policies

import (
	"math/rand/v2"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/rehearse"
	"usbhsm7/firmware/store"
)

// unit is an assembled HSM on its flash, that is on, with an operator in front of it.
type unit struct {
	*rehearse.Operator
	chip     *flash.Memory
	verifier boot.Verifier
	defect   *Defect
	now      time.Time // what its clock shows
	writes   int       // operations on the flash
	records  *store.Store
	core     *device.Core
}

// unitGeometry is that of the flash of a unit.
var unitGeometry = flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 128}

// on switches the unit on.
func (u *unit) on() error {
	state, images, err := boot.Divide(flash.NewTap(u.chip, func(flash.Operation) error {
		u.writes++
		return nil
	}))
	if err != nil {
		return err
	}
	if u.records, err = store.Open(state); err != nil {
		return err
	}
	u.core, err = device.StartCore(images, u.defect.trust(u.verifier, images), hsm.Config{
		Store: u.records, Serial: "7000008", Cost: auth.Quick, Entropy: rand.NewChaCha8([32]byte{8}),
		Clock: func() time.Time { return u.now },
	})
	if err != nil {
		return err
	}
	u.Operator = rehearse.NewOperator(u.core)
	return u.Err()
}

// off switches it off.
func (u *unit) off() {
	u.core.Close()
	u.records.Close()
}

// again does both.
func (u *unit) again() error {
	u.off()
	return u.on()
}

// manage has the HSM SO carry commands out that succeed.
func (u *unit) manage(do func(session uint32)) error {
	u.Login(command.RoleSO)
	do(u.Session(command.SlotAdmin))
	return u.Err()
}

// receive brings an update as far as the axis "incoming" says.
func (u *unit) receive(update *boottest.Update, stage string) error {
	if stage == "none" {
		return nil
	}
	err := u.manage(func(session uint32) {
		u.Must(command.CodeUpdateBegin, session, &command.UpdateRequest{Head: update.Head, Authcode: boottest.Code[:], Client: "1.0.0"}, nil)
		if stage == "receiving" || stage == "resumed" {
			return
		}
		u.Must(command.CodeUpdateChunk, session, &command.UpdateChunkRequest{Data: update.Chunks[0]}, nil)
		if stage == "complete" {
			return
		}
		u.Must(command.CodeUpdateStage, session, nil, nil)
		if stage == "trial" {
			u.Must(command.CodeUpdateApply, session, nil, nil)
		}
	})
	if err == nil && stage == "resumed" {
		return u.again()
	}
	u.Logout(command.RoleSO)
	return u.Err()
}

// raiseFloor rules out what is older than the firmware that runs.
func (u *unit) raiseFloor() error {
	return u.manage(func(session uint32) {
		u.Must(command.CodeUpdateFloor, session, &command.UpdateFloorRequest{Security: u.core.Boot.Running().SecurityVersion}, nil)
	})
}

// forget has another host take over, since the HSM has ended every session.
func (u *unit) forget() error {
	u.Operator = rehearse.NewOperator(u.core)
	return u.Err()
}

// ship has the HSM enter Secure Transport Mode.
func (u *unit) ship() error {
	err := u.manage(func(session uint32) { u.Must(command.CodeSTMTransport, session, nil, nil) })
	if err != nil {
		return err
	}
	return u.forget()
}

// goBack begins a rollback, which the next power-on ends.
func (u *unit) goBack() error {
	err := u.manage(func(session uint32) { u.Must(command.CodeUpdateRollback, session, nil, nil) })
	if err != nil {
		return err
	}
	return u.forget()
}

// live goes the way from a unit that is as it was made to one that is in use, with all
// roles and objects, and functional modules as the axis says.
func (u *unit) live(modules string) error {
	u.AppointAuditor()
	u.Initialise()
	if modules != "never" {
		u.PermitModules()
		if err := u.Err(); err != nil {
			return err
		}
		if err := u.again(); err != nil {
			return err
		}
		u.TurnModules(true)
	}
	if modules == "once" {
		u.TurnModules(false)
	}
	u.Populate()
	return u.Err()
}
