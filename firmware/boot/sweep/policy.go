package sweep

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

// axis is a property of a release or a device, with values and what is to become
// of an update with each. The axes are in the order in which reasons are given.
type axis struct {
	name   string
	values []value
}

// value is one of an axis, with the reason to refuse it for; nil = there is none.
type value struct {
	name   string
	reason error
	set    func(*fuf.Release, *boot.Target)
}

// policyTime is what the clock of the device shows.
var policyTime = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// axes is the oracle: written by hand, and by other means than boot.Admit.
func axes() []axis {
	type r = *fuf.Release
	type t = *boot.Target
	second := policyTime.Unix()
	return []axis{
		{"kind", []value{
			{"firmware", nil, func(r r, _ t) { r.Kind = fuf.Firmware }},
			{"capability", boot.ErrKind, func(r r, _ t) { r.Kind = fuf.Capability }},
			{"module", boot.ErrKind, func(r r, _ t) { r.Kind = fuf.Module }},
		}},
		{"product", []value{
			{"the same", nil, func(r r, _ t) { r.Product = "usbhsm7" }},
			{"another", boot.ErrTarget, func(r r, _ t) { r.Product = "usbhsm8" }},
		}},
		{"model", []value{
			{"on the list", nil, func(r r, _ t) { r.Models = []string{"U700", "U750"} }},
			{"not on the list", boot.ErrTarget, func(r r, _ t) { r.Models = []string{"U750", "U790"} }},
		}},
		{"running", []value{
			{"first of a range", nil, func(_ r, t t) { t.Running = fuf.V(7, 7, 0) }},
			{"last of a range", nil, func(_ r, t t) { t.Running = fuf.V(7, 9, 2) }},
			{"before a range", boot.ErrPath, func(_ r, t t) { t.Running = fuf.V(7, 6, 65535) }},
			{"behind a range", boot.ErrPath, func(_ r, t t) { t.Running = fuf.V(7, 9, 3) }},
			{"between ranges", boot.ErrPath, func(_ r, t t) { t.Running = fuf.V(7, 8, 1) }},
		}},
		{"bootloader", []value{
			{"late enough", nil, func(_ r, t t) { t.Bootloader = fuf.V(1, 1, 5) }},
			{"too early", boot.ErrBootloader, func(_ r, t t) { t.Bootloader = fuf.V(1, 1, 4) }},
		}},
		{"client", []value{
			{"late enough", nil, func(_ r, t t) { t.Client = fuf.V(10, 9, 0) }},
			{"too early", boot.ErrClient, func(_ r, t t) { t.Client = fuf.V(10, 8, 9) }},
		}},
		{"security version", []value{
			{"higher", nil, func(_ r, t t) { t.Security = 2 }},
			{"the same", nil, func(_ r, t t) { t.Security = 3 }},
			{"lower", boot.ErrDowngrade, func(_ r, t t) { t.Security = 4 }},
		}},
		{"data schema", []value{
			{"oldest it reads", nil, func(_ r, t t) { t.DataSchema = 2 }},
			{"its own", nil, func(_ r, t t) { t.DataSchema = 3 }},
			{"older", boot.ErrSchema, func(_ r, t t) { t.DataSchema = 1 }},
			{"newer", boot.ErrSchema, func(_ r, t t) { t.DataSchema = 4 }},
		}},
		{"time", []value{
			{"any", nil, func(r r, _ t) {}},
			{"within", nil, func(r r, _ t) { r.NotBefore, r.NotAfter = second, second }},
			{"too early", boot.ErrTime, func(r r, _ t) { r.NotBefore = second + 1 }},
			{"too late", boot.ErrTime, func(r r, _ t) { r.NotAfter = second - 1 }},
		}},
		{"policies", []value{
			{"off", nil, func(_ r, t t) { t.PoliciesOn = []uint32{12, 50} }},
			{"on", boot.ErrPolicies, func(_ r, t t) { t.PoliciesOn = []uint32{12, 46} }},
		}},
		{"storage", []value{
			{"enough", nil, func(_ r, t t) { t.FreePercent = 40 }},
			{"too little", boot.ErrCapacity, func(_ r, t t) { t.FreePercent = 39 }},
		}},
	}
}

// Policies asks boot.Admit about every combination of what a release may demand and
// what a device may be, and compares the answer with a table that was written by
// hand. It returns how many combinations there were, and those that differ.
func Policies() (combinations int, mismatches []string) {
	all := axes()
	chosen := make([]value, len(all))
	var walk func(i int)
	walk = func(i int) {
		if i < len(all) {
			for _, v := range all[i].values {
				chosen[i] = v
				walk(i + 1)
			}
			return
		}
		combinations++
		if got, want := admit(chosen), firstReason(chosen); !errors.Is(got, want) {
			mismatches = append(mismatches, fmt.Sprintf("%s: %v, want %v", describe(all, chosen), got, want))
		}
	}
	walk(0)
	return combinations, mismatches
}

func admit(chosen []value) error {
	r := fuf.Release{
		Version: fuf.V(7, 9, 3), SecurityVersion: 3, MinBootloader: fuf.V(1, 1, 5), MinClient: fuf.V(10, 9, 0),
		ValidFrom: []fuf.Range{{From: fuf.V(7, 7, 0), To: fuf.V(7, 7, 9)}, {From: fuf.V(7, 9, 0), To: fuf.V(7, 9, 2)}},
		Data:      fuf.DataChange{From: 2, To: 3, Class: fuf.MigrateCopy},
		Requires:  fuf.Requirements{PoliciesOff: []uint32{46}, FreePercent: 40},
	}
	t := boot.Target{Product: "usbhsm7", Model: "U700", Facts: boot.Facts{Now: policyTime}}
	for _, v := range chosen {
		v.set(&r, &t)
	}
	return boot.Admit(&r, t)
}

// firstReason returns the reason of the first value that has one.
func firstReason(chosen []value) error {
	i := slices.IndexFunc(chosen, func(v value) bool { return v.reason != nil })
	if i < 0 {
		return nil
	}
	return chosen[i].reason
}

func describe(all []axis, chosen []value) (text string) {
	for i, v := range chosen {
		if v.reason != nil {
			text += all[i].name + " " + v.name + ", "
		}
	}
	return text
}
