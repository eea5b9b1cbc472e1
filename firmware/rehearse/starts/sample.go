package starts

import (
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/rehearse"
	"usbhsm7/fuf"
)

// Sample returns a device with many objects, and an update of it that converts them,
// which takes so many minutes.
func Sample(seed uint64, minutes uint32) (sweep.Subject, error) {
	s := sweep.Subject{
		Config: boottest.Config(), Facts: boot.Facts{Now: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), FreePercent: 100, Client: fuf.V(1, 0, 0)}, Code: boottest.Code,
	}
	chip, err := rehearse.Filled.Chip(seed)
	if err != nil {
		return s, err
	}
	image := boottest.Image(fuf.V(7, 9, 3), 2, fuf.ChunkSize, 1)
	s.Chip = chip
	s.File, err = boottest.SignImage(image, boottest.Convert(image, minutes))
	return s, err
}
