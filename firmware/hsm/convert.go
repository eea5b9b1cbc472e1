package hsm

import (
	"fmt"
	"slices"
	"time"
)

// conversionBatch is how many objects are converted in one transaction.
const conversionBatch = 64

// beginConversion halts the HSM until the data are converted for the firmware that
// runs. How far that was before the power failed does not count: it takes as long
// again, and loses nothing.
func (h *HSM) beginConversion() error {
	if h.firmware.Conversion <= 0 {
		return h.convert()
	}
	return h.update(func(u *update) error {
		u.state.converted = h.clock().Add(h.firmware.Conversion)
		u.event(stateChanged(fmt.Sprintf("the data are being converted, which takes %v", h.firmware.Conversion)))
		return nil
	})
}

// convertInTime ends the conversion when its time has come.
func (h *HSM) convertInTime() error {
	if end := h.state.Load().converted; end.IsZero() || h.clock().Before(end) {
		return nil
	}
	return h.convert()
}

// convert rewrites each object in the data schema of the firmware, some at a time,
// and notes that with the last ones. An object says itself which schema it has, so
// that a power cut in between leaves nothing that cannot be read.
func (h *HSM) convert() error {
	h.password.Lock()
	defer h.password.Unlock()
	if h.settled.Schema == h.firmware.DataSchema {
		return nil // somebody else was quicker
	}
	names := slices.Collect(h.vault.Names(objectPrefix))
	for len(names) > conversionBatch {
		if err := h.update(func(u *update) error { return u.convert(names[:conversionBatch]) }); err != nil {
			return err
		}
		names = names[conversionBatch:]
	}
	now := firmwareRecord{h.firmware.Version, h.firmware.DataSchema}
	text := fmt.Sprintf("the data are converted from schema %d to %d", h.settled.Schema, now.Schema)
	return h.noteFirmware(now, text, func(u *update) error {
		u.state.converted = time.Time{}
		return u.convert(names)
	})
}

// convert rewrites some objects.
func (u *update) convert(names []string) error {
	for _, name := range names {
		var r objectRecord
		if _, err := read(u.hsm.vault, name, &r); err != nil {
			return err
		}
		handle, err := handleOf(name)
		if err != nil {
			return fmt.Errorf("record %q: %w", name, err)
		}
		r = r.padded(u.hsm.firmware.DataSchema)
		if err := u.put(name, r); err != nil {
			return err
		}
		u.after(func() {
			u.hsm.storage.set(handle, int64(r.size())+objectOverhead)
			u.hsm.taken.Store(u.hsm.storage.used)
		})
	}
	return nil
}
