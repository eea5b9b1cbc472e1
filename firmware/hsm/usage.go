package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
)

// Uses of keys that have a usage-limit are counted. So that a cut of the power
// never gives a use for nothing, and a use does not wait for the flash each
// time, a number of uses is written as used before the first of them is
// made. A power cut loses what is left of these; switching off does not.

// usesGroup is how many uses are written together.
const usesGroup = 64

const usesPrefix = "uses/"

func recordUses(handle command.Handle) string { return fmt.Sprintf("%s%08x", usesPrefix, handle) }

// usesRecord is how often a key was used, or may have been.
type usesRecord struct {
	Count uint64 `cbor:"1,keyasint"`
}

// countUses gives an object with a usage-limit its counter: that of its handle,
// if it has one already. The caller puts it into h.uses once the object is
// stored. The HSM's mu is held, or nobody else has the HSM yet.
func (h *HSM) countUses(o *object.Object) error {
	limit, ok := o.Limit()
	if !ok || o.Uses != nil {
		return nil
	}
	if !o.Token() {
		o.Uses = object.NewUses(0, limit)
		return nil
	}
	if known := h.uses[o.Handle]; known != nil {
		o.Uses = known
		return nil
	}
	var r usesRecord
	if _, err := read(h.vault, recordUses(o.Handle), &r); err != nil {
		return err
	}
	o.Uses = object.NewUses(r.Count, limit)
	return nil
}

// keepCounter remembers the counter of a stored object for as long as the device
// is on, whoever is logged in.
func (h *HSM) keepCounter(o *object.Object) {
	if o.Uses != nil {
		h.uses[o.Handle] = o.Uses
	}
}

// spend counts a use of a key. It returns an error with StatusKeyNotActive if
// there is none left.
func (c *call) spend(o *object.Object) error {
	if o.Uses == nil {
		return nil
	}
	n, ok := o.Uses.Take()
	if !ok {
		return notActive(command.KeyLockedUsage)
	}
	if !o.Token() || n <= o.Uses.Kept() {
		return nil
	}
	return c.guarded(func(u *update) error {
		if n <= o.Uses.Kept() { // somebody else has written
			return nil
		}
		kept := max(n, min(n+usesGroup-1, o.Uses.Limit()))
		u.after(func() { o.Uses.Keep(kept) })
		return u.put(recordUses(o.Handle), usesRecord{kept})
	})
}

// keepUses writes the uses as they are, before the device is switched off.
func (h *HSM) keepUses() error {
	return h.update(func(u *update) error {
		for handle, uses := range h.uses {
			if uses.Kept() == uses.Used() {
				continue
			}
			uses.Keep(0) // whoever takes a use from here on waits and writes again
			n := uses.Used()
			u.after(func() { uses.Keep(n) })
			if err := u.put(recordUses(handle), usesRecord{n}); err != nil {
				return err
			}
		}
		return nil
	})
}

// notActive refuses a key that cannot be used.
func notActive(s command.KeyStatus) error {
	var cause, hint string
	switch {
	case s&command.KeyLockedFailedAuth != 0:
		cause, hint = "the key is locked after wrong authorization data", "the Crypto Officer can unblock it"
	case s&command.KeyLockedDate != 0:
		cause, hint = "the key is not for use on this day", "look at start-date, end-date and the clock of the device"
	default:
		cause, hint = "the key was used as often as its usage-limit allows", ""
	}
	return command.StatusKeyNotActive.With(cause, hint)
}
