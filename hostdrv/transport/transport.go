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

// String returns "1209:0001 serial at path", without the serial if it is not known.
func (i Info) String() string {
	text := fmt.Sprintf("%04x:%04x", i.Vendor, i.Product)
	if i.Serial != "" {
		text += " " + i.Serial
	}
	return text + " at " + i.Path
}

// Selector chooses among the devices found. Zero fields match everything, but
// without a vendor and a product only devices of this project's own range
// match, so that nobody's serial adapter is ever opened by mistake.
type Selector struct {
	Vendor  uint16
	Product uint16
	Serial  string // letters match in either case
	Path    string
}

// The identifiers of the project's devices: a range for tests at pid.codes.
const (
	ownVendor       = 0x1209
	ownFirstProduct = 0x0001
	ownLastProduct  = 0x0010
)

// Matches reports whether s chooses i.
func (s Selector) Matches(i Info) bool {
	return s.matchesIDs(i) &&
		(s.Serial == "" || strings.EqualFold(s.Serial, i.Serial)) &&
		(s.Path == "" || s.Path == i.Path)
}

func (s Selector) matchesIDs(i Info) bool {
	if s.Vendor == 0 && s.Product == 0 {
		return i.Vendor == ownVendor && ownFirstProduct <= i.Product && i.Product <= ownLastProduct
	}
	return (s.Vendor == 0 || s.Vendor == i.Vendor) && (s.Product == 0 || s.Product == i.Product)
}

// String says in words what s chooses.
func (s Selector) String() string {
	text := fmt.Sprintf("device %04x:%04x to %04x", ownVendor, ownFirstProduct, ownLastProduct)
	if s.Vendor != 0 || s.Product != 0 {
		text = fmt.Sprintf("device %s:%s", idOrAny(s.Vendor), idOrAny(s.Product))
	}
	if s.Serial != "" {
		text += fmt.Sprintf(" with serial number %q", s.Serial)
	}
	if s.Path != "" {
		text += fmt.Sprintf(" at %q", s.Path)
	}
	return text
}

func idOrAny(id uint16) string {
	if id == 0 {
		return "any"
	}
	return fmt.Sprintf("%04x", id)
}

// First opens the first of the devices found that s matches, with open. It is
// what every Bus does in Open. A device whose serial number is not known yet
// is opened to see it; one that cannot be opened is passed over, and its error
// returned if no other matches. If there was none the error is ErrNotFound.
func First(s Selector, found []Info, open func(Info) (Link, error)) (Link, error) {
	var failures []error
	for _, info := range found {
		candidate := s
		if info.Serial == "" {
			candidate.Serial = ""
		}
		if !candidate.Matches(info) {
			continue
		}
		link, err := open(info)
		if err != nil {
			failures = append(failures, fmt.Errorf("open %s: %w", info, err))
			continue
		}
		if s.Matches(link.Info()) {
			return link, nil
		}
		if err := link.Close(); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		return nil, errors.Join(failures...)
	}
	return nil, fmt.Errorf("%w: no %s", ErrNotFound, s)
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
// An endpoint that the device has halted is cleared, and then its method returns
// ErrHalted once. What was under way on the endpoint is lost, and the device has
// forgotten the conversation: the caller opens it anew.
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
	ErrHalted       = errors.New("device halted an endpoint: what was under way is lost")
)
