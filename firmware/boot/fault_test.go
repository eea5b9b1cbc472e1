package boot_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
)

// on switches the bootloader on, on a chip that fails.
func on(t testing.TB, chip flash.Device) *boot.Boot {
	t.Helper()
	b, err := boot.Open(chip, boottest.Config())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBlockThatIsBadNeverCostsTheFirmware has each block of the slot for an update,
// and of the records, go bad in each way: the update fails or is confirmed, and a
// power cycle later firmware runs.
func TestBlockThatIsBadNeverCostsTheFirmware(t *testing.T) {
	ready, update := newUnit(t), newUpdate(t, v794, 3)
	ready.install(newUpdate(t, v793, 2))
	for how := flash.ProgramFails; how <= flash.EraseIgnored; how++ {
		failed := 0
		for block := range 2 + 2*24 {
			if how == flash.ReadFails && block < 2 {
				continue // a record that cannot be read back is never written
			}
			chip := ready.chip.Clone()
			bad := flash.NewBadBlocks(chip, map[int]flash.Failure{block: how})
			b := on(t, bad)
			err := errors.Join(update.Upload(b), b.Activate())
			if err != nil {
				failed++
			} else if b = on(t, bad); b.Running().Version == v794 {
				err = b.Confirm()
			}
			if v := on(t, chip).Running().Version; v != v793 && v != v794 {
				t.Errorf("block %d, %v: %v runs (%v)", block, how, v, err)
			}
		}
		if failed == 0 {
			t.Errorf("%v: no update failed", how)
		}
	}
}

// TestMisdirectedWriteIsNotRun has each page of an update land elsewhere. What it
// destroys is lost, and may be the firmware that runs: then the device recovers.
func TestMisdirectedWriteIsNotRun(t *testing.T) {
	ready, update := newUnit(t), newUpdate(t, v794, 3)
	ready.install(newUpdate(t, v793, 2))
	for at := 1; at < 190; at += 3 {
		chip := ready.chip.Clone()
		b := on(t, flash.NewMisdirected(chip, at, uint64(at)))
		if err := errors.Join(update.Upload(b), b.Activate()); err == nil && at < 160 {
			t.Errorf("page %d: not noticed", at)
		}
		b, err := boot.Open(chip, boottest.Config())
		if errors.Is(err, boot.ErrCorrupt) {
			continue // both records are lost
		}
		if err != nil {
			t.Fatalf("page %d: %v", at, err)
		}
		s, err := b.Status()
		switch {
		case err != nil:
			t.Errorf("page %d: %v", at, err)
		case s.Lost == v793:
		case string(encode(t, b.Running())) != string(encode(t, newUpdate(t, b.Running().Version, b.Running().SecurityVersion).Image)):
			t.Errorf("page %d: what runs is no firmware", at)
		}
	}
}

// TestDecayIsCorrectedOrNoticed lets bits decay: with a code that corrects them, the
// device does not notice; without, the firmware does not run.
func TestDecayIsCorrectedOrNoticed(t *testing.T) {
	ready := newUnit(t)
	ready.install(newUpdate(t, v793, 2))
	page := int64(16 * 8) // of the image in slot 0
	for _, c := range []struct{ correct, wrong int }{{4, 4}, {4, 5}} {
		aged := flash.NewDecay(ready.chip.Clone(), 1, c.correct)
		aged.AgePage(page, c.wrong)
		s, err := on(t, aged).Status()
		if lost := c.wrong > c.correct; err != nil || lost != (s.Lost == v793) {
			t.Errorf("%d wrong bits of which %d are corrected: %+v, %v", c.wrong, c.correct, s, err)
		}
	}
}

// TestUpdatesWearAllSlotsAlike installs many updates on a chip of little endurance.
func TestUpdatesWearAllSlotsAlike(t *testing.T) {
	chip, err := flash.NewMemory(region)
	if err != nil {
		t.Fatal(err)
	}
	const updates = 30
	one := boottest.Image(v793, 2, 1<<10, 1)
	two := boottest.Image(v794, 2, 1<<10, 2)
	for i := range updates {
		u := build(t, []*boot.Image{one, two}[i%2])
		if _, err := u.Install(func() (*boot.Boot, error) { return boot.Open(chip, boottest.Config()) }); err != nil {
			t.Fatal(err)
		}
	}
	for slot := range boot.Slots {
		if n := chip.Wear(2 + 24*slot); n < updates/boot.Slots || n > updates/boot.Slots+1 {
			t.Errorf("slot %d was erased %d times", slot, n)
		}
	}
	if n := chip.Wear(0) + chip.Wear(1); n > 6*updates {
		t.Errorf("the records were erased %d times in %d updates", n, updates)
	}
}
