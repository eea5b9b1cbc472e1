package object

import (
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
)

// MaxAuthFailures is how many wrong authorization data in a row lock a key.
const MaxAuthFailures = 3

// Bounds of authorization data in bytes.
const (
	MinAuthData = 4
	MaxAuthData = 255
)

// Authorization guards the use of one private or secret key. It never changes.
type Authorization struct {
	Credential *auth.Credential `cbor:"1,keyasint"`
	Failures   uint8            `cbor:"2,keyasint,omitempty"` // begun since the last success
}

// Locked reports whether no attempt is left.
func (a *Authorization) Locked() bool { return a != nil && a.Failures >= MaxAuthFailures }

// CheckAuthData returns an error with StatusAuthDataTooSmall or
// StatusAuthDataTooLarge for new authorization data of another length than 4 to
// 255 bytes.
func CheckAuthData(data []byte) error {
	switch n := len(data); {
	case n < MinAuthData:
		return command.StatusAuthDataTooSmall.Withf("authorization data has at least %d bytes", MinAuthData)
	case n > MaxAuthData:
		return command.StatusAuthDataTooLarge.Withf("authorization data has at most %d bytes", MaxAuthData)
	}
	return nil
}

// Authorization returns what guards the key; nil: nothing does.
func (o *Object) Authorization() *Authorization { return o.auth }

// Guarded returns the object with another authorization.
func (o *Object) Guarded(a *Authorization) *Object {
	guarded := *o
	guarded.auth = a
	return &guarded
}

// Guard gives the draft an authorization, from Credential.
func (d *Draft) Guard(a *Authorization) { d.auth = a }

// Assigned returns the object as one that belongs to whoever knows its
// authorization data.
func (o *Object) Assigned() *Object {
	assigned := o.clone()
	assigned.attrs[command.AttrAssigned] = true
	return assigned
}

// Unassign makes the draft one of an unassigned key.
func (d *Draft) Unassign() {
	if _, ok := d.attrs[command.AttrAssigned]; ok {
		d.attrs[command.AttrAssigned] = false
	}
}

// MayBeGuarded reports whether the draft is one that authorization data can guard.
func (d *Draft) MayBeGuarded() bool { return onHidden.has(d.Class()) }

// MayBeGuarded reports whether the object is one that authorization data can guard.
func (o *Object) MayBeGuarded() bool { return onHidden.has(o.Class()) }

// Restricted reports whether there is more to ask than the attributes before the
// key is used.
func (o *Object) Restricted() bool {
	return o.auth != nil || o.Uses != nil || !o.start.IsZero() || !o.end.IsZero()
}

// InDates reports whether a day is one on which the key may be used.
func (o *Object) InDates(now time.Time) bool {
	if o.start.IsZero() && o.end.IsZero() {
		return true
	}
	year, month, day := now.UTC().Date()
	today := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return !today.Before(o.start) && (o.end.IsZero() || !today.After(o.end))
}

// Status returns the key status of a key at a time.
func (o *Object) Status(now time.Time) command.KeyStatus {
	var s command.KeyStatus
	if o.auth != nil {
		s |= command.KeyAuthDataSet
	}
	if o.auth.Locked() {
		s |= command.KeyLockedFailedAuth
	}
	if !o.InDates(now) {
		s |= command.KeyLockedDate
	}
	if o.Uses.spent() {
		s |= command.KeyLockedUsage
	}
	return s
}

// Failures returns the wrong authorization data since the last success.
func (o *Object) Failures() uint {
	if o.auth == nil {
		return 0
	}
	return uint(o.auth.Failures)
}
