package boot

import "usbhsm7/fuf"

// Factory returns the firmware that a device has when it is made: what the
// program does by itself. It is in read-only memory, not on the flash.
func Factory() *Image {
	return &Image{
		Schema:          ImageSchema,
		Name:            "USB HSM 7 Simulator firmware",
		Version:         fuf.V(7, 9, 2),
		SecurityVersion: 1,
		DataSchema:      1,
	}
}
