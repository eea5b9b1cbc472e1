package boot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
	Kind       fuf.Kind // that is wanted; 0 means firmware
	Product    string
	Model      string
	Bootloader fuf.Version
	Running    fuf.Version
	Lost       bool // that has decayed: it may be installed again
	DataSchema uint32
	Security   uint32 // the highest security version that was ever confirmed, or the floor if that is higher
}

// Check is one condition of an update.
type Check struct {
	Name   string // what must hold, for people
	Detail string // what the update wants, and what is there
	Err    error  // nil: it holds; otherwise it carries a Reason or a fuf.Reason
}

// Conditions tells of each condition of a release whether a device fulfils it, in
// the order in which they are checked.
func Conditions(r *fuf.Release, t Target) []Check {
	valid := t.Lost && r.Version == t.Running || slices.ContainsFunc(r.ValidFrom, func(v fuf.Range) bool { return v.Contains(t.Running) })
	now := t.Now.Unix()
	var list []Check
	for _, c := range []struct {
		name   string
		ok     bool
		reason Reason
		detail string
	}{
		{"of the right kind", r.Kind == cmp.Or(t.Kind, fuf.Firmware), ErrKind, "it carries a " + r.Kind.String()},
		{"for this product", r.Product == t.Product, ErrTarget, fmt.Sprintf("for %s, this is %s", r.Product, t.Product)},
		{"for this model", slices.Contains(r.Models, t.Model), ErrTarget, fmt.Sprintf("for %s; this is %s", strings.Join(r.Models, ", "), t.Model)},
		{"valid path", valid, ErrPath, path(r, t.Running, valid)},
		{"bootloader", r.MinBootloader.Compare(t.Bootloader) <= 0, ErrBootloader, fmt.Sprintf("%v or later, this is %v", r.MinBootloader, t.Bootloader)},
		{"client", r.MinClient.Compare(t.Client) <= 0, ErrClient, fmt.Sprintf("%v or later, this is %v", r.MinClient, t.Client)},
		{"security version", r.Kind != fuf.Firmware || r.SecurityVersion >= t.Security, ErrDowngrade, fmt.Sprintf("%d, at least %d is needed", r.SecurityVersion, t.Security)},
		{"data schema", r.Data.From <= t.DataSchema && t.DataSchema <= r.Data.To, ErrSchema, fmt.Sprintf("it reads data schemas %d to %d, this is %d", r.Data.From, r.Data.To, t.DataSchema)},
		{"not before its time", r.NotBefore == 0 || r.NotBefore <= now, ErrTime, date("from", r.NotBefore)},
		{"not expired", r.NotAfter == 0 || now <= r.NotAfter, ErrTime, date("until", r.NotAfter)},
		{"policies off", !slices.ContainsFunc(r.Requires.PoliciesOff, func(id uint32) bool { return slices.Contains(t.PoliciesOn, id) }), ErrPolicies, off(r.Requires.PoliciesOff)},
		{"free storage", r.Requires.FreePercent <= t.FreePercent, ErrCapacity, fmt.Sprintf("%d %% must be free, and %d %% are", r.Requires.FreePercent, t.FreePercent)},
	} {
		check := Check{Name: c.name, Detail: c.detail}
		if !c.ok {
			check.Err = fmt.Errorf("%w: %s", c.reason, c.detail)
		}
		list = append(list, check)
	}
	return list
}

// Admit reports why a release must not be installed on a device: the first
// condition that is not fulfilled, or nil. It changes nothing.
func Admit(r *fuf.Release, t Target) error {
	for _, c := range Conditions(r, t) {
		if c.Err != nil {
			return c.Err
		}
	}
	return nil
}

func path(r *fuf.Release, running fuf.Version, valid bool) string {
	if valid {
		return fmt.Sprintf("%v may replace %v", r.Version, running)
	}
	return fmt.Sprintf("%v may not replace %v", r.Version, running)
}

func off(policies []uint32) string {
	if len(policies) == 0 {
		return "none has to be"
	}
	list := strings.Trim(fmt.Sprint(policies), "[]")
	return strings.ReplaceAll(list, " ", ", ") + " of the HSM"
}

func date(word string, seconds int64) string {
	if seconds == 0 {
		return "no limit"
	}
	return word + " " + time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}
