package usb

import "fmt"

// Status is the result of a URB: zero for success, or a negative Linux error
// number. These are the values that USB/IP carries, on every operating system.
// A Status other than OK can be returned as an error.
type Status int32

// Results that hosts know how to read
// (Linux Documentation/driver-api/usb/error-codes.rst).
const (
	OK         Status = 0
	ENOENT     Status = -2   // cancelled by a host that waits for the cancellation
	ENOMEM     Status = -12  // the host side has no room for another URB
	EXDEV      Status = -18  // an isochronous transfer went through in part
	ENODEV     Status = -19  // no device
	EINVAL     Status = -22  // the URB makes no sense
	EPIPE      Status = -32  // the endpoint is halted or refuses the request (STALL)
	ETIME      Status = -62  // no answer on the bus
	EPROTO     Status = -71  // bus protocol broken
	EOVERFLOW  Status = -75  // babble: the device had more than the host asked for
	EILSEQ     Status = -84  // CRC mismatch
	ECONNRESET Status = -104 // cancelled
	ESHUTDOWN  Status = -108 // device or endpoint disabled while the URB was pending
	EREMOTEIO  Status = -121 // short transfer where the host does not allow one
)

var statusNames = map[Status]string{
	OK: "success", ENOENT: "ENOENT (cancelled)", ENOMEM: "ENOMEM (no room)",
	EXDEV: "EXDEV (partial)", ENODEV: "ENODEV (no device)", EINVAL: "EINVAL (invalid)",
	EPIPE: "EPIPE (stall)", ETIME: "ETIME (no answer)", EPROTO: "EPROTO (protocol)",
	EOVERFLOW: "EOVERFLOW (babble)", EILSEQ: "EILSEQ (CRC)", ECONNRESET: "ECONNRESET (cancelled)",
	ESHUTDOWN: "ESHUTDOWN (shut down)", EREMOTEIO: "EREMOTEIO (short)",
}

// String returns the name of s with its meaning, for example "EPIPE (stall)".
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("status %d", int32(s))
}

// Error makes a Status an error; it is the same text as String.
func (s Status) Error() string { return "USB transfer: " + s.String() }

// Err returns nil for OK, otherwise s.
func (s Status) Err() error {
	if s == OK {
		return nil
	}
	return s
}
