package boot

import (
	"errors"

	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// isDamage reports whether an error tells that what is stored is not what was, or
// cannot be read any more.
func isDamage(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, flash.ErrDecayed) || errors.Is(err, flash.ErrBadBlock)
}

// runConfirmed runs the confirmed firmware. If that has decayed, the one before takes
// its place for good; and where it may not, nothing runs but what recovers the device.
// Then nothing is written: what cannot be read now may be readable at the next power-on.
func (b *Boot) runConfirmed() error {
	r := b.records.current
	image, err := b.readImage(r.Running)
	if err == nil {
		b.running, b.place = image, r.Running
		return nil
	}
	if !isDamage(err) {
		return err
	}
	before := b.standIn(r)
	if before == nil {
		b.running, b.place, b.recovers = b.recovery(r), Nowhere, true
		return nil
	}
	b.running, b.place = before, r.Previous
	return b.change(EventDecayed, func(r *Record) {
		r.Running, r.Previous, r.Last = r.Previous, Nowhere, Decayed
		r.Version, r.DataSchema = before.Version, before.DataSchema
	})
}

// standIn returns the firmware before, if it may run with all that the HSM holds: it is
// whole, reads the data as they are, and its security version is none that a later one
// has ruled out, for otherwise who damages the flash could have the older one back.
func (b *Boot) standIn(r Record) *Image {
	if r.Previous == Nowhere || r.State == RollingBack {
		return nil
	}
	before, err := b.readImage(r.Previous)
	if err != nil || before.DataSchema != r.DataSchema || before.SecurityVersion < max(r.Security, r.Floor) {
		return nil
	}
	return before
}

// recovery returns what runs in the place of firmware that is lost: it is in read-only
// memory, and knows the data.
func (b *Boot) recovery(r Record) *Image {
	image := *b.factory
	image.Name, image.DataSchema = "Recovery", r.DataSchema
	return &image
}

// lost returns the version of the firmware that has decayed and has none in its place;
// zero means that there is none.
func (b *Boot) lost() fuf.Version {
	if !b.recovers {
		return fuf.Version{}
	}
	return b.records.current.Version
}
