package update

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/store"
)

// keeps starts a copy of the device, with all that its HSM holds, in the firmware
// that it has and in the new one. The error says that the HSM does not start, or that
// the update costs it something.
func (r *rehearsal) keeps() error {
	before, err := r.start(r.Subject.Chip.Clone())
	if err != nil {
		return fmt.Errorf("in the firmware that it has: %w", err)
	}
	after, err := r.start(r.cuts.Installed())
	if err != nil {
		return fmt.Errorf("in the new firmware: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		value, there := after[name]
		if !there {
			return fmt.Errorf("record %s is lost", name)
		}
		if !bytes.Equal(value, before[name]) && !tellsOfUpdates(name) {
			return fmt.Errorf("record %s has changed", name)
		}
	}
	return nil
}

// start switches a device on, and returns the records that its HSM holds then.
func (r *rehearsal) start(chip *flash.Memory) (map[string][]byte, error) {
	state, images, err := boot.Divide(chip)
	if err != nil {
		return nil, err
	}
	records, err := store.Open(state)
	if err != nil {
		return nil, err
	}
	defer records.Close()
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], r.Seed)
	core, err := device.StartCore(images, r.Subject.Verifier, hsm.Config{
		Store: records, Cost: auth.Quick, Entropy: rand.NewChaCha8(seed), Serial: "rehearsal",
		Clock: func() time.Time { return r.Subject.Facts.Now },
	})
	if err != nil {
		return nil, err
	}
	defer core.Close()
	held := make(map[string][]byte)
	for name := range records.Keys("") {
		value, _ := records.Get(name)
		held[name] = bytes.Clone(value)
	}
	return held, nil
}

// tellsOfUpdates reports whether a record changes with every update: which firmware
// ran last, and the audit log, which only grows.
func tellsOfUpdates(name string) bool {
	_, name, _ = strings.Cut(name, "/") // behind the place in the vault
	return name == "firmware" || strings.HasPrefix(name, "audit")
}
