package usbhost

import (
	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// Plausible reports whether a device with this identity may be an HSM. Only
// its descriptors tell for sure, and reading them takes a connection. Some
// USB/IP servers list no interfaces, which rules nothing out.
func Plausible(id usb.Identity) bool {
	for _, f := range id.Interfaces {
		if f.Class == vendorClass {
			return true
		}
	}
	return len(id.Interfaces) == 0 && (id.Class == 0 || id.Class == vendorClass)
}

// InfoOf returns what is known of a device before it is opened: all but the
// serial number.
func InfoOf(id usb.Identity, path string) transport.Info {
	return transport.Info{Vendor: id.Vendor, Product: id.Product, Path: path}
}
