// Package transport says what the driver needs from a way to reach a device:
// whole bulk transfers out and in, and events. Three packages under it provide
// that: gousb (the kernel's USB stack through libusb), usbip (the built-in
// USB/IP client, no kernel support) and local (a device in this process).
// transporttest holds the tests that each of them passes.
package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Info identifies a device that was found, before it is opened.
type Info struct {
	Vendor  uint16 `json:"vendor"`  // idVendor
	Product uint16 `json:"product"` // idProduct
	Serial  string `json:"serial"`  // iSerialNumber; empty if it could not be read without opening
	Path    string `json:"path"`    // bus path: "1-2.3" for a kernel device, the bus ID for USB/IP
}

// String returns "1209:0001 serial at path".
func (i Info) String() string {
	return fmt.Sprintf("%04x:%04x %s at %s", i.Vendor, i.Product, i.Serial, i.Path)
}

// Selector chooses among the devices found. Zero fields match everything.
type Selector struct {
	Vendor  uint16
	Product uint16
	Serial  string
	Path    string
}

// Matches reports whether s chooses i.
func (s Selector) Matches(i Info) bool {
	return (s.Vendor == 0 || s.Vendor == i.Vendor) &&
		(s.Product == 0 || s.Product == i.Product) &&
		(s.Serial == "" || strings.EqualFold(s.Serial, i.Serial)) &&
		(s.Path == "" || s.Path == i.Path)
}

// Bus is a place where devices are found.
type Bus interface {
	// List returns the devices present that look like an HSM: interface class
	// FF with a bulk pair and an interrupt IN endpoint.
	List(ctx context.Context) ([]Info, error)

	// Open claims the first device that s matches. Errors: ErrNotFound,
	// ErrBusy, ErrPermission, wrapped with what was tried.
	Open(ctx context.Context, s Selector) (Link, error)
}

// Link is one opened device. Write, Read and ReadEvent may be called by one
// goroutine each at the same time; Close may be called at any time, more than
// once, and ends the others with ErrClosed. Every method returns
// ErrDisconnected once the device is gone.
//
// Endpoints are found from the descriptors, never by number.
type Link interface {
	// Info identifies the device; here the serial number is always read.
	Info() Info

	// Write sends p as one bulk OUT transfer and ends it with a zero-length
	// packet where len(p) is a multiple of the packet size. If ctx ends first
	// the transfer is cancelled; the device may have seen a part of it.
	Write(ctx context.Context, p []byte) error

	// Read receives one bulk IN transfer into p and returns its length. If ctx
	// ends first nothing is lost: the transfer is returned by the next Read.
	// A transfer longer than p is dropped: ErrOverrun. The endpoint's packet
	// size should be a divisor of len(p).
	Read(ctx context.Context, p []byte) (int, error)

	// ReadEvent is Read for the interrupt endpoint.
	ReadEvent(ctx context.Context, p []byte) (int, error)

	// Close releases the device.
	Close() error
}

// Errors of every transport.
var (
	ErrNotFound     = errors.New("no matching device")
	ErrBusy         = errors.New("device is in use by another host or process")
	ErrPermission   = errors.New("no permission to open the device")
	ErrDisconnected = errors.New("device disconnected")
	ErrClosed       = errors.New("link closed")
	ErrOverrun      = errors.New("transfer longer than the buffer")
)
