package policies

import (
	"maps"
	"slices"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// Defect is a way to get a rule wrong: the bootloader is not told something, or is told
// something else, or does too much too early; or the device takes its situation for
// another one.
type Defect struct {
	Name string
	Like string // a report of such a defect somewhere; "" = none is known

	product  string                                          // in which it shows
	facts    func(*boot.Facts)                               // what the bootloader is told; nil = the truth
	verifier func(boot.Verifier, flash.Device) boot.Verifier // nil = as it is
	mistakes []mistake                                       // in the situation
}

// mistake is that a device with one value of an axis behaves as one with another value.
type mistake struct{ axis, value, as string }

// Defects returns defects that a run has to notice.
func Defects() []Defect {
	const bootloader, offers, orders = "bootloader", "offers", "orders"
	return []Defect{
		{Name: "nobody looks at the policies that are on", product: bootloader, facts: func(f *boot.Facts) { f.PoliciesOn = nil }},
		{Name: "nobody looks at the free storage", product: bootloader, facts: func(f *boot.Facts) { f.FreePercent = 100 }},
		{Name: "the clock is taken to be right in the period of the update", product: bootloader, facts: func(f *boot.Facts) { f.Now = begins.Add(time.Hour) }},
		{Name: "nobody looks at the version of the client", product: bootloader, facts: func(f *boot.Facts) { f.Client = fuf.V(99, 0, 0) }},
		{
			Name: "any authentication code will do", product: bootloader,
			verifier: func(v boot.Verifier, _ flash.Device) boot.Verifier { return anyCode{v} },
		},
		{
			Name: "a slot is emptied before the authentication code is checked", Like: "zephyr#51798", product: bootloader,
			verifier: func(v boot.Verifier, chip flash.Device) boot.Verifier { return eager{v, chip} },
		},
		{
			Name: "an assembled device empties a slot before the authentication code is checked", Like: "zephyr#51798", product: offers,
			verifier: func(v boot.Verifier, chip flash.Device) boot.Verifier { return eager{v, chip} },
		},
		{
			Name: "nobody asks who wants to go back to older firmware", product: orders,
			mistakes: []mistake{{"admin", nobody, "so"}, {"admin", "administrator", "so"}, {"admin", "auditor", "so"}},
		},
		{Name: "the Administrator may update the firmware", product: offers, mistakes: []mistake{{"admin", "administrator", "so"}}},
		{Name: "the firmware is updated in Secure Transport Mode", product: offers, mistakes: []mistake{{"transport", "on", "off"}}},
		{Name: "an upload goes on in Secure Transport Mode", product: orders, mistakes: []mistake{{"transport", "on", "off"}}},
		{Name: "it is forgotten that functional modules were permitted once", product: orders, mistakes: []mistake{{"modules", "once", "never"}}},
		{Name: "one may go back twice", product: orders, mistakes: []mistake{{"slots", "rolled-back", "updated"}}},
		{Name: "one may go back though the firmware has forbidden it", product: orders, mistakes: []mistake{{"slots", "final", "updated"}}},
		{Name: "the floor does not bind who goes back", product: orders, mistakes: []mistake{{"floor", "raised", "none"}}},
		{Name: "an update may begin while another one is on trial", product: offers, mistakes: []mistake{{"incoming", "trial", "staged"}}},
		{Name: "chunks are taken though no host has given the authentication code since power-on", product: orders, mistakes: []mistake{{"incoming", "resumed", "receiving"}}},
		{Name: "an update is applied though its time is over", product: orders, mistakes: []mistake{{"time", "over", "in"}}},
		{Name: "a rollback takes the security version back", product: offers, mistakes: []mistake{{"slots", "rolled-back", "delivered"}}},
	}
}

// Noticed reports whether a run notices the defect.
func (d *Defect) Noticed() (bool, error) {
	found, err := d.Find()
	return found != nil, err
}

// Find returns the first failure of a run by which it notices the defect, nil if it
// does not.
func (d *Defect) Find() (*Failure, error) {
	all, err := products()
	if err != nil {
		return nil, err
	}
	r := &Result{}
	for i := range all {
		if p := &all[i]; p.name == d.product {
			err = r.add(p, d, 0, func(int) error { return nil })
		}
	}
	if err != nil || len(r.Failures) == 0 {
		return nil, err
	}
	return &r.Failures[0], nil
}

// concerns reports whether the defect can change the answer to a combination.
func (d *Defect) concerns(c combination) bool {
	return d == nil || d.mistakes == nil || slices.ContainsFunc(d.mistakes, func(m mistake) bool { return c[m.axis] == m.value })
}

// mistake returns what the device takes the situation for.
func (d *Defect) mistake(c combination) combination {
	if d == nil {
		return c
	}
	c = maps.Clone(c)
	for _, m := range d.mistakes {
		if c[m.axis] == m.value {
			c[m.axis] = m.as
		}
	}
	return c
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
	if err := e.chip.Erase(e.chip.Geometry().Blocks - 1); err != nil {
		return nil, err
	}
	return e.Verifier.Unlock(u, code)
}
