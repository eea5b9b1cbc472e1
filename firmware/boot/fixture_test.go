package boot_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// region is a small one of the bootloader's: slots of 24 blocks.
var region = flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 74}

// unit is a bootloader that can be switched off and on.
type unit struct {
	*boot.Boot
	t    testing.TB
	chip *flash.Memory
}

func newUnit(t testing.TB) *unit {
	t.Helper()
	chip, err := flash.NewMemory(region)
	if err != nil {
		t.Fatal(err)
	}
	u := &unit{t: t, chip: chip}
	u.powerCycle()
	return u
}

// powerCycle switches the unit off and on.
func (u *unit) powerCycle() {
	u.t.Helper()
	b, err := u.open()
	if err != nil {
		u.t.Fatal(err)
	}
	u.Boot = b
}

func (u *unit) open() (*boot.Boot, error) { return boot.Open(u.chip, boottest.Config()) }

// must ends the test if a step failed.
func (u *unit) must(steps ...error) {
	u.t.Helper()
	if err := errors.Join(steps...); err != nil {
		u.t.Fatal(err)
	}
}

// install installs firmware and confirms it.
func (u *unit) install(update *boottest.Update) {
	u.t.Helper()
	b, err := update.Install(u.open)
	if err != nil {
		u.t.Fatal(err)
	}
	u.Boot = b
}

func (u *unit) status() boot.Status {
	u.t.Helper()
	s, err := u.Status()
	if err != nil {
		u.t.Fatal(err)
	}
	return s
}

// runs checks which firmware runs, and in which state the bootloader is.
func (u *unit) runs(version fuf.Version, state boot.State) {
	u.t.Helper()
	if s := u.status(); s.Running != version || s.State != state || u.Running().Version != version {
		u.t.Fatalf("%v runs, %v; want %v, %v", s.Running, s.State, version, state)
	}
}

var (
	v792 = fuf.V(7, 9, 2) // in read-only memory
	v793 = fuf.V(7, 9, 3)
	v794 = fuf.V(7, 9, 4)
	v795 = fuf.V(7, 9, 5)
)

// newUpdate returns an update of about 40 KiB: three chunks.
func newUpdate(t testing.TB, version fuf.Version, security uint32) *boottest.Update {
	t.Helper()
	u, err := boottest.New(boottest.Image(version, security, 40<<10, uint64(version.Patch)))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func facts() boot.Facts { return boot.Facts{FreePercent: 100} }
