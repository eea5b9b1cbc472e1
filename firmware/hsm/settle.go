package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
)

// recordFirmware tells, outside the vault, which firmware ran last.
const recordFirmware = "firmware"

type firmwareRecord struct {
	Version string `cbor:"1,keyasint"`
}

// finishRollback erases what the HSM holds if the power failed before that was done.
// The bootloader knows.
func (h *HSM) finishRollback() error {
	if h.boot == nil {
		return nil
	}
	status, err := h.boot.Status()
	if err != nil || status.State != command.UpdateRollingBack {
		return err
	}
	return h.eraseForRollback(command.RoleNone)
}

// Settle tells the HSM that the firmware that runs is there to stay. If it is
// another one than before, the audit log and the host learn of it.
func (h *HSM) Settle() error {
	before := firmwareRecord{BuiltIn(h.model).Version}
	stored, ok := h.vault.Plain(recordFirmware)
	if ok {
		if err := command.Unmarshal(stored, &before); err != nil {
			return corrupt(fmt.Errorf("record %s: %w", recordFirmware, err))
		}
	}
	now := firmwareRecord{h.firmware.Version}
	if before == now {
		return nil
	}
	text := fmt.Sprintf("firmware %s took the place of %s", now.Version, before.Version)
	record, err := command.Marshal(now)
	if err != nil {
		return fmt.Errorf("record %s: %w", recordFirmware, err)
	}
	return h.update(func(u *update) error {
		u.found = &command.AuditEvent{Time: h.clock().Unix(), Class: command.AuditManage, Operation: command.CodeUpdateApply, Message: text}
		u.event(stateChanged(text))
		u.records.PutPlain(recordFirmware, record)
		return nil
	})
}
