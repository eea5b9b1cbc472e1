package hsm

import (
	"bytes"
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
)

// bootloader returns what changes the firmware.
func (c *call) bootloader() (Bootloader, error) {
	if c.hsm.boot == nil {
		return nil, command.StatusOperationRestricted.With("this device has no bootloader", "")
	}
	return c.hsm.boot, nil
}

// updateFacts are those of this moment.
func (h *HSM) updateFacts(client string) UpdateFacts {
	s, usage := h.state.Load(), h.vault.Usage()
	f := UpdateFacts{Now: h.clock(), Client: client}
	for i := range h.firmware.HSM {
		if p := &h.firmware.HSM[i]; p.Changeable() && s.policies.hsm.On(p.ID) {
			f.PoliciesOn = append(f.PoliciesOn, uint32(p.ID))
		}
	}
	if usage.Total > 0 {
		f.FreePercent = uint32(max(usage.Free, 0) * 100 / usage.Total)
	}
	return f
}

// updatePlan tells what stands against an update, beginning with what is looked at
// before any command of an update runs.
func (c *call) updatePlan(r *command.UpdateRequest) (*command.UpdatePlanResponse, error) {
	defer clear(r.Authcode)
	boot, err := c.bootloader()
	if err != nil {
		return nil, err
	}
	plan, err := boot.Plan(r.Head, r.Authcode, c.hsm.updateFacts(r.Client))
	if err != nil {
		return nil, err
	}
	own := []command.UpdateCheck{{Name: "not in Secure Transport Mode"}, {Name: "HSM SO logged in"}}
	if c.hsm.state.Load().transport.active() {
		own[0].Status, own[0].Detail = command.StatusOperationRestricted, "stm-recover ends it"
	}
	if c.role() != command.RoleSO {
		own[1].Status, own[1].Detail = command.StatusUserNotLoggedIn, "log in first"
	}
	plan.Checks = append(own, plan.Checks...)
	return plan, nil
}

func (c *call) updateBegin(r *command.UpdateRequest) (*command.UpdateStatus, error) {
	defer clear(r.Authcode)
	boot, err := c.bootloader()
	if err != nil {
		return nil, err
	}
	if err := boot.Begin(r.Head, r.Authcode, c.hsm.updateFacts(r.Client)); err != nil {
		return nil, err
	}
	return boot.Status()
}

func (c *call) updateChunk(r *command.UpdateChunkRequest) error {
	boot, err := c.bootloader()
	if err != nil {
		return err
	}
	return boot.Chunks(r.Index, r.Data)
}

// updateStatus tells anyone how far an update has got.
func (c *call) updateStatus() (*command.UpdateStatus, error) {
	boot, err := c.bootloader()
	if err != nil {
		return nil, err
	}
	return boot.Status()
}

func (c *call) updateAbort() error {
	boot, err := c.bootloader()
	if err != nil {
		return err
	}
	return boot.Abort()
}

func (c *call) updateFloor(r *command.UpdateFloorRequest) error {
	boot, err := c.bootloader()
	if err != nil {
		return err
	}
	return boot.RaiseFloor(r.Security)
}

// updateStage verifies the whole of what was uploaded.
func (c *call) updateStage() error {
	boot, err := c.bootloader()
	if err != nil {
		return err
	}
	return boot.Stage()
}

// updateApply has the firmware that was uploaded run after the restart that the
// owner of the HSM makes. With quorum authentication a person must allow it.
func (c *call) updateApply() error {
	boot, err := c.bootloader()
	if err != nil {
		return err
	}
	status, err := boot.Status()
	if err != nil {
		return err
	}
	if status.State != command.UpdateStaged {
		return command.StatusOperationRestricted.With("no update is here whole and verified", "upload it first")
	}
	if err := boot.Ready(c.hsm.updateFacts("")); err != nil {
		return err
	}
	if err := c.confirm(Question{
		Title: "Update the firmware?",
		Text:  fmt.Sprintf("Version %s takes the place of %s. The device restarts.", status.Incoming, status.Running),
	}); err != nil {
		return err
	}
	if now, err := boot.Status(); err != nil || now.State != command.UpdateStaged || !bytes.Equal(now.ID, status.ID) {
		return errors.Join(err, command.StatusOperationRestricted.With("another update took the place of this one meanwhile", "look at update-status, and apply again"))
	}
	return c.announced("the firmware is updated to "+status.Incoming, boot.Activate)
}

// announced does what cannot be one transaction with its audit record: that comes
// first, so that nothing happens of which the log does not know. If it fails, the log
// is told that too.
func (c *call) announced(text string, do func() error) error {
	err := c.update(func(u *update) error {
		u.event(stateChanged(text))
		return nil
	})
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		c.recorded = false
		return err
	}
	return nil
}

// updateRollback has the firmware before run after the restart that the owner of
// the HSM makes, and erases all that the HSM holds, since older firmware may not
// be able to read it. Should the power fail in between, Open goes on with that.
func (c *call) updateRollback() error {
	boot, err := c.bootloader()
	if err != nil {
		return err
	}
	status, err := boot.Status()
	if err != nil {
		return err
	}
	if err := c.hsm.mayRollBack(status); err != nil {
		return err
	}
	if err := c.confirm(Question{
		Title: "Go back to older firmware?",
		Text:  fmt.Sprintf("Version %s takes the place of %s. All keys and roles are destroyed. The device restarts.", status.Rollback, status.Running),
	}); err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.announced("the firmware goes back to "+status.Rollback, func() error {
		if err := boot.Rollback(c.hsm.hadThem.Load()); err != nil {
			return err
		}
		return c.hsm.eraseForRollback(c.role())
	})
}

func (h *HSM) eraseForRollback(by command.Role) error {
	return h.update(func(u *update) error {
		u.event(command.Event{Code: command.EventZeroized, Role: by, Text: "the HSM is erased for older firmware"})
		return u.erase(&firmwareRollback)
	})
}

// mayRollBack refuses, before anything is recorded, what the bootloader would
// refuse.
func (h *HSM) mayRollBack(s *command.UpdateStatus) error {
	switch {
	case s.Rollback == "":
		return command.StatusOperationRestricted.With("there is no firmware to go back to", "only an update leaves one")
	case h.hadThem.Load():
		return command.StatusOperationRestricted.With("functional modules were permitted on this device", "there is no way back")
	}
	return nil
}
