package policies

import (
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// Defect is a way to get a rule wrong: the bootloader is not told something, or is told
// something else, or does too much too early.
type Defect struct {
	Name string
	Like string // a report of such a defect somewhere; "" = none is known

	facts    func(*boot.Facts)                               // what the bootloader is told; nil = the truth
	verifier func(boot.Verifier, flash.Device) boot.Verifier // nil = as it is
}

// Defects returns defects that a run has to notice.
func Defects() []Defect {
	return []Defect{
		{Name: "nobody looks at the policies that are on", facts: func(f *boot.Facts) { f.PoliciesOn = nil }},
		{Name: "nobody looks at the free storage", facts: func(f *boot.Facts) { f.FreePercent = 100 }},
		{Name: "the clock is taken to be right in the period of the update", facts: func(f *boot.Facts) { f.Now = begins.Add(time.Hour) }},
		{Name: "nobody looks at the version of the client", facts: func(f *boot.Facts) { f.Client = fuf.V(99, 0, 0) }},
		{
			Name:     "any authentication code will do",
			verifier: func(v boot.Verifier, _ flash.Device) boot.Verifier { return anyCode{v} },
		},
		{
			Name: "a slot is emptied before the authentication code is checked", Like: "zephyr#51798",
			verifier: func(v boot.Verifier, chip flash.Device) boot.Verifier { return eager{v, chip} },
		},
	}
}

// Noticed reports whether a run notices the defect.
func (d *Defect) Noticed() (bool, error) {
	t, err := newTable(d)
	if err != nil {
		return false, err
	}
	r, err := t.run(Options{})
	return err == nil && r.Mismatches > 0, err
}

func (d *Defect) tell(f boot.Facts) boot.Facts {
	if d != nil && d.facts != nil {
		d.facts(&f)
	}
	return f
}

func (d *Defect) trust(v boot.Verifier, chip flash.Device) boot.Verifier {
	if d == nil || d.verifier == nil {
		return v
	}
	return d.verifier(v, chip)
}

type anyCode struct{ boot.Verifier }

func (a anyCode) Unlock(u *fuf.Update, _ fuf.Authcode) (*fuf.Key, error) {
	return a.Verifier.Unlock(u, boottest.Code)
}

type eager struct {
	boot.Verifier
	chip flash.Device
}

func (e eager) Unlock(u *fuf.Update, code fuf.Authcode) (*fuf.Key, error) {
	if err := e.chip.Erase(geometry.Blocks - 1); err != nil {
		return nil, err
	}
	return e.Verifier.Unlock(u, code)
}
