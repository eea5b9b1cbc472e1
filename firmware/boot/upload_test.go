package boot_test

import (
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
)

// An image that has decayed saves no chunks, and an update is how to get rid of it.
func TestAnImageThatHasDecayedDoesNotHinderAnUpdate(t *testing.T) {
	u, next := newUnit(t), newUpdate(t, v794, 2)
	u.install(newUpdate(t, v793, 2))
	aged := flash.NewDecay(u.chip.Clone(), 1, 4)
	b, err := boot.Open(aged, boottest.Config())
	u.must(err)
	aged.AgePage(16*8, 5) // of the image in slot 0, since power-on
	u.must(next.Upload(b))
	if s, err := b.Status(); err != nil || s.State != boot.Staged {
		t.Errorf("%+v, %v", s, err)
	}
}
