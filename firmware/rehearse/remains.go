package rehearse

import (
	"bytes"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// rootKey returns the root key of the device on a chip.
func rootKey(chip *flash.Memory) ([]byte, error) {
	state, _, err := boot.Divide(chip.Clone())
	if err != nil {
		return nil, err
	}
	records, err := store.Open(state)
	if err != nil {
		return nil, err
	}
	return records.RootKey(), nil
}

// judgeRemains wants a device that has forgotten its keys to hold the root key of
// before in no page of its flash.
func (s *sweep) judgeRemains(chip *flash.Memory, got *Observation, where string) {
	if s.key == nil || got.facts != s.new.facts {
		return
	}
	content := make([]byte, chip.Geometry().Size())
	if err := chip.Read(0, content); err != nil {
		s.add(Remains, where, "%v", err)
		return
	}
	if at := bytes.Index(content, s.key); at >= 0 {
		s.add(Remains, where, "at %#x", at)
	}
}
