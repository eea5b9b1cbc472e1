// Package gousb reaches devices through the operating system's USB stack, with
// libusb by way of github.com/google/gousb. A device on a cable and one that
// the kernel attached over USB/IP look the same to it.
//
//	bus := gousb.New()
//	dev, err := hostdrv.Dial(ctx, bus, transport.Selector{Path: "1-2.3"}, hostdrv.Options{})
//
// On Linux a user needs permission to open the device:
// scripts/udev/70-usbhsm7.rules grants it, and docs/driver.md says how.
//
// The package needs cgo and libusb 1.0. A program built without cgo links too,
// and then List and Open say what is missing.
package gousb
