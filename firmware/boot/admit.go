package boot

import (
	"fmt"
	"slices"
	"time"

	"usbhsm7/fuf"
)

// Version is the version of this bootloader, which updates may demand.
func Version() fuf.Version { return fuf.V(1, 1, 5) }

// Facts is what the caller of Begin knows of the device and the bootloader does
// not.
type Facts struct {
	Now         time.Time
	Client      fuf.Version // of the host's software
	PoliciesOn  []uint32    // HSM policies that are on
	FreePercent uint32      // of the storage
}

// Target is a device that an update is to be installed on.
type Target struct {
	Facts
	Product    string
	Model      string
	Bootloader fuf.Version
	Running    fuf.Version
	DataSchema uint32
	Security   uint32 // the highest security version that was ever confirmed, or the floor if that is higher
}

// Admit reports why a release must not be installed on a device: the first Reason
// in the order of the checks, or nil. Whoever has the file asks it before the
// first chunk; it changes nothing.
func Admit(r *fuf.Release, t Target) error {
	valid := slices.ContainsFunc(r.ValidFrom, func(v fuf.Range) bool { return v.Contains(t.Running) })
	now := t.Now.Unix()
	for _, check := range []struct {
		ok     bool
		reason Reason
		detail string
	}{
		{r.Kind == fuf.Firmware, ErrKind, "it is " + r.Kind.String()},
		{r.Product == t.Product, ErrTarget, fmt.Sprintf("for %q, this is %q", r.Product, t.Product)},
		{slices.Contains(r.Models, t.Model), ErrTarget, fmt.Sprintf("for models %q, this is %q", r.Models, t.Model)},
		{valid, ErrPath, fmt.Sprintf("%v may not replace %v", r.Version, t.Running)},
		{r.MinBootloader.Compare(t.Bootloader) <= 0, ErrBootloader, fmt.Sprintf("%v, this is %v", r.MinBootloader, t.Bootloader)},
		{r.MinClient.Compare(t.Client) <= 0, ErrClient, fmt.Sprintf("%v, this is %v", r.MinClient, t.Client)},
		{r.SecurityVersion >= t.Security, ErrDowngrade, fmt.Sprintf("%d, at least %d is needed", r.SecurityVersion, t.Security)},
		{r.Data.From <= t.DataSchema && t.DataSchema <= r.Data.To, ErrSchema, fmt.Sprintf("it reads data schemas %d to %d, this is %d", r.Data.From, r.Data.To, t.DataSchema)},
		{r.NotBefore == 0 || r.NotBefore <= now, ErrTime, "not before " + date(r.NotBefore)},
		{r.NotAfter == 0 || now <= r.NotAfter, ErrTime, "not after " + date(r.NotAfter)},
		{!slices.ContainsFunc(r.Requires.PoliciesOff, func(id uint32) bool { return slices.Contains(t.PoliciesOn, id) }), ErrPolicies, fmt.Sprintf("%v must all be off", r.Requires.PoliciesOff)},
		{r.Requires.FreePercent <= t.FreePercent, ErrCapacity, fmt.Sprintf("%d %% must be free, and %d %% are", r.Requires.FreePercent, t.FreePercent)},
	} {
		if !check.ok {
			return fmt.Errorf("%w: %s", check.reason, check.detail)
		}
	}
	return nil
}

func date(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
