package boot_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
)

func TestHalfOfTheChipIsTheBootloaders(t *testing.T) {
	chip, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	state, images, err := boot.Divide(chip)
	if err != nil {
		t.Fatal(err)
	}
	if s, i := state.Geometry().Size(), images.Geometry().Size(); s != 8<<20 || i != 8<<20 {
		t.Errorf("%d and %d bytes", s, i)
	}
	if err := errors.Join(state.Program(0, []byte{1}), images.Program(0, []byte{2})); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[int64]byte{0: 1, 8 << 20: 2} {
		got := make([]byte, 1)
		if err := chip.Read(addr, got); err != nil || got[0] != want {
			t.Errorf("%#x holds %#x, %v", addr, got, err)
		}
	}
}

func TestChipThatCannotBeDividedIsRefused(t *testing.T) {
	chip, err := flash.NewMemory(flash.Geometry{PageSize: 16, PagesPerBlock: 1, Blocks: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := boot.Divide(chip); !errors.Is(err, flash.ErrRange) {
		t.Errorf("one block: %v", err)
	}
}
