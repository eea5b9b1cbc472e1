package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
)

// recordFirmware tells, outside the vault, which firmware ran last.
const recordFirmware = "firmware"

type firmwareRecord struct {
	Version string `cbor:"1,keyasint"`
	Schema  uint32 `cbor:"2,keyasint"` // of the data
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

// loadFirmware reads which firmware ran last, and in which form it left the records.
func (h *HSM) loadFirmware() error {
	h.settled = firmwareRecord{BuiltIn(h.model).Version, FirstDataSchema}
	if stored, ok := h.vault.Plain(recordFirmware); ok {
		if err := command.Unmarshal(stored, &h.settled); err != nil {
			return fmt.Errorf("record %s: %w", recordFirmware, err)
		}
	}
	h.schema.Store(h.settled.Schema)
	return nil
}

// Settle tells the HSM that the firmware that runs is there to stay. If it is
// another one than before, the audit log and the host learn of it. Records of an
// older data schema are converted, which may take time: until then only commands
// that tell the state work.
func (h *HSM) Settle() error {
	if lost := h.firmware.Lost; lost != "" {
		return h.noteLost(lost)
	}
	before, now := h.settled, firmwareRecord{h.firmware.Version, h.settled.Schema}
	if now.Schema > h.firmware.DataSchema { // after a rollback, which leaves no objects
		now.Schema = h.firmware.DataSchema
	}
	if before != now {
		text := fmt.Sprintf("firmware %s took the place of %s", now.Version, before.Version)
		if err := h.noteFirmware(now, text, nil); err != nil {
			return err
		}
	}
	if now.Schema == h.firmware.DataSchema {
		return nil
	}
	return h.beginConversion()
}

// noteLost has the audit log and the host learn that firmware has decayed. What the
// records say of it stays, for the update that takes its place.
func (h *HSM) noteLost(version string) error {
	text := fmt.Sprintf("firmware %s has decayed and does not run: the device waits for an update", version)
	return h.update(func(u *update) error {
		u.found = h.firmwareEvent(text)
		u.event(stateChanged(text))
		return nil
	})
}

// firmwareEvent is the audit record of what the device finds about its firmware.
func (h *HSM) firmwareEvent(text string) *command.AuditEvent {
	return &command.AuditEvent{Time: h.clock().Unix(), Class: command.AuditManage, Operation: command.CodeUpdateApply, Message: text}
}

// noteFirmware writes the record of the firmware, and what change makes besides,
// together with its audit record.
func (h *HSM) noteFirmware(now firmwareRecord, text string, change func(*update) error) error {
	record, err := command.Marshal(now)
	if err != nil {
		return fmt.Errorf("record %s: %w", recordFirmware, err)
	}
	return h.update(func(u *update) error {
		u.found = h.firmwareEvent(text)
		u.event(stateChanged(text))
		u.records.PutPlain(recordFirmware, record)
		u.after(func() {
			h.settled = now
			h.schema.Store(now.Schema)
		})
		if change == nil {
			return nil
		}
		return change(u)
	})
}
