// Package usbhost is the host's side of USB for transports that bring no USB
// stack of their own: it enumerates a device over its default control pipe and
// makes a transport.Link of its endpoints, by submitting and cancelling URBs.
// The transports local and usbip are built on it.
//
// It does what an operating system and libusb would do: it reads the
// descriptors, chooses the configuration and the interface, keeps several IN
// URBs queued, ends OUT transfers by a zero-length packet where one is due, and
// clears a halt, of which it tells.
package usbhost
