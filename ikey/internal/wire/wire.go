// Package wire is what a key and the port that it is plugged into say to each
// other: one request and one response at a time, each a USB transfer. The
// protocol is described in docs/ikey-format.md.
package wire

import (
	"errors"
	"fmt"

	"usbhsm7/usbip/usb"
)

// What a key is on the bus.
const (
	Vendor   = 0x04b9 // Rainbow Technologies
	Product  = 0x1000 // iKey 1000 Token
	Class    = 0xff   // bInterfaceClass
	Speed    = usb.SpeedFull
	Packet   = 64   // wMaxPacketSize of the bulk endpoints, bytes
	Out      = 0x01 // bulk: requests
	In       = 0x81 // bulk: responses
	Config   = 1    // bConfigurationValue
	MaxField = 255  // bytes of a PIN or of data
)

// Op is what a request asks for.
type Op uint8

// Operations.
const (
	Identify  Op = 1 // response: Kind, HasPIN, Tries
	Read      Op = 2 // request: PIN; response: Data
	Write     Op = 3 // request: Kind, NewPIN, Data
	ChangePIN Op = 4 // request: PIN, NewPIN
	Erase     Op = 5
)

// Status is how a request ended.
type Status uint8

// Statuses.
const (
	OK        Status = 0
	Blank     Status = 1 // there is nothing on the key
	WrongPIN  Status = 2
	BadPIN    Status = 3 // a new PIN is not of digits, too short or too long
	Damaged   Status = 4
	Worn      Status = 5 // not written; what was there still is
	Malformed Status = 6 // the request makes no sense
)

// Request is what the port sends. Fields that an operation does not use are
// empty. PINs and Data are secret.
type Request struct {
	Tag    uint8 // comes back in the response
	Op     Op
	Kind   uint8
	PIN    []byte
	NewPIN []byte
	Data   []byte
}

// Response is what the key answers. Data is secret.
type Response struct {
	Tag    uint8 // of the request
	Status Status
	Kind   uint8
	HasPIN bool
	Tries  uint8 // left at the PIN
	Data   []byte
}

// Sizes in bytes of the longest messages.
const (
	MaxRequest  = 3 + 3*(1+MaxField)
	MaxResponse = 5 + 1 + MaxField
)

// ErrMessage says that a message does not have the form of one.
var ErrMessage = errors.New("malformed message of an iKey")

// Encode returns the bytes of a request. ErrMessage: a field is longer than
// MaxField.
func (r *Request) Encode() ([]byte, error) {
	b := make([]byte, 0, MaxRequest)
	return appendFields(append(b, r.Tag, uint8(r.Op), r.Kind), r.PIN, r.NewPIN, r.Data)
}

// Encode returns the bytes of a response. ErrMessage: Data is longer than
// MaxField.
func (r *Response) Encode() ([]byte, error) {
	var flags uint8
	if r.HasPIN {
		flags = 1
	}
	b := make([]byte, 0, MaxResponse)
	return appendFields(append(b, r.Tag, uint8(r.Status), r.Kind, flags, r.Tries), r.Data)
}

// ParseRequest is the reverse of Encode. The fields lie within b.
func ParseRequest(b []byte) (Request, error) {
	if len(b) < 3 {
		return Request{}, fmt.Errorf("%w: request of %d bytes", ErrMessage, len(b))
	}
	r := Request{Tag: b[0], Op: Op(b[1]), Kind: b[2]}
	return r, parseFields(b[3:], &r.PIN, &r.NewPIN, &r.Data)
}

// ParseResponse is the reverse of Encode. The data lies within b.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < 5 || b[3] > 1 {
		return Response{}, fmt.Errorf("%w: response of %d bytes", ErrMessage, len(b))
	}
	r := Response{Tag: b[0], Status: Status(b[1]), Kind: b[2], HasPIN: b[3] == 1, Tries: b[4]}
	return r, parseFields(b[5:], &r.Data)
}

// appendFields appends fields, each after a byte that tells its length.
func appendFields(b []byte, fields ...[]byte) ([]byte, error) {
	for _, f := range fields {
		if len(f) > MaxField {
			return nil, fmt.Errorf("%w: field of %d bytes, want at most %d", ErrMessage, len(f), MaxField)
		}
		b = append(append(b, uint8(len(f))), f...)
	}
	return b, nil
}

// parseFields reads fields that fill b.
func parseFields(b []byte, fields ...*[]byte) error {
	for _, f := range fields {
		if len(b) < 1 || len(b)-1 < int(b[0]) {
			return fmt.Errorf("%w: it ends within a field", ErrMessage)
		}
		n := 1 + int(b[0])
		*f, b = b[1:n:n], b[n:]
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrMessage, len(b))
	}
	return nil
}
