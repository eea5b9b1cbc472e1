package boot

import (
	"fmt"

	"usbhsm7/firmware/flash"
)

// Divide returns the two parts of a chip: the first half, where the HSM keeps its
// state, and the second, where the bootloader keeps its records and images.
func Divide(chip flash.Device) (state, images *flash.Region, err error) {
	half := chip.Geometry().Blocks / 2
	if state, err = flash.NewRegion(chip, 0, half); err != nil {
		return nil, nil, fmt.Errorf("boot: divide the flash: %w", err)
	}
	if images, err = flash.NewRegion(chip, half, half); err != nil {
		return nil, nil, fmt.Errorf("boot: divide the flash: %w", err)
	}
	return state, images, nil
}
