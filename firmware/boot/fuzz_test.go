package boot_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
)

// FuzzOpen switches a bootloader on whose flash has arbitrary bytes in one place:
// it runs the firmware that was installed, or refuses. Then it takes an update, or
// refuses it.
func FuzzOpen(f *testing.F) {
	ready := newUnit(f)
	ready.install(newUpdate(f, v793, 2))
	next := newUpdate(f, v794, 2)
	ready.must(ready.Begin(next.Head, boottest.Code, facts()), ready.Chunks(1, next.Chunks[1]))
	f.Add(uint32(0), []byte("HSM7BOOT"))
	f.Add(uint32(4096+20), []byte{1, 0, 0, 0, 0xFF, 1})
	f.Add(uint32(26*4096), []byte("HERE"))
	f.Fuzz(func(t *testing.T, at uint32, damage []byte) {
		u := &unit{t: t, chip: ready.chip.Clone()}
		for i, want := range damage[:min(len(damage), 512)] {
			overwrite(t, u, (int64(at)+int64(i))%region.Size(), want)
		}
		b, err := u.open()
		if err != nil {
			if !errors.Is(err, boot.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if v := b.Running().Version; v != v793 && v != v792 {
			t.Fatalf("%v runs", v)
		}
		if err := next.Upload(b); err == nil {
			b.Activate()
		}
	})
}

// overwrite makes a byte of the chip what it is to be.
func overwrite(t *testing.T, u *unit, addr int64, want byte) {
	t.Helper()
	b := make([]byte, 1)
	u.must(u.chip.Read(addr, b))
	for bit := range int64(8) {
		if (b[0]^want)>>bit&1 == 1 {
			u.must(u.chip.Flip(8*addr + bit))
		}
	}
}
