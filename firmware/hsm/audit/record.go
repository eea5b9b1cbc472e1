package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"usbhsm7/firmware/command"
)

// Sizes in bytes of the authentication code of a record, and of what its
// successor repeats of it.
const (
	CodeSize = sha256.Size
	LinkSize = 16
)

// Event is what a record tells.
type Event struct {
	Time      int64          `cbor:"1,keyasint"` // of the device's clock: seconds since 1970, UTC
	Class     Class          `cbor:"2,keyasint"`
	Slot      command.Slot   `cbor:"3,keyasint"`
	Session   uint32         `cbor:"4,keyasint"` // 0 = none
	Role      command.Role   `cbor:"5,keyasint"` // who was logged in; of a login, who wanted to
	Operation command.Code   `cbor:"6,keyasint"`
	Status    command.Status `cbor:"7,keyasint"`
	Object    command.Handle `cbor:"8,keyasint,omitempty"` // the key, where one was used
	Message   []byte         `cbor:"9,keyasint,omitempty"` // what the host sent, of an external event
}

// Record is an event in its place in the log.
type Record struct {
	Number uint64 `cbor:"1,keyasint"` // from 1, without gaps
	Event  Event  `cbor:"2,keyasint"`
	Before []byte `cbor:"3,keyasint"`           // the first LinkSize bytes of the code before
	Code   []byte `cbor:"4,keyasint,omitempty"` // CodeSize bytes
}

// code computes the authentication code of r.
func (r *Record) code(secret []byte) ([]byte, error) {
	bare := Record{Number: r.Number, Event: r.Event, Before: r.Before}
	encoded, err := command.Marshal(&bare)
	if err != nil {
		return nil, fmt.Errorf("audit record %d: %w", r.Number, err)
	}
	h := hmac.New(sha256.New, secret)
	h.Write(encoded)
	return h.Sum(nil), nil
}

// origin is the code before the first record.
func origin(secret []byte, serial string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("usbhsm7 audit log"))
	h.Write([]byte(serial))
	return h.Sum(nil)
}

// Line returns the record as one line of a log file, without its end: number,
// time, who did what with what result, code, and the encoded record.
func (r *Record) Line(serial string) (string, error) {
	encoded, err := command.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("audit record %d: %w", r.Number, err)
	}
	e := &r.Event
	result, ok := e.Status.Name()
	if !ok {
		result = "unknown status"
	}
	when := time.Unix(e.Time, 0).UTC().Format("06/01/02 15:04:05")
	who := fmt.Sprintf("S/N %s session %d slot %d role %s", serial, e.Session, e.Slot, e.Role)
	what := fmt.Sprintf("%s operation %s returned %s(0x%08x)", e.Class, e.Operation, result, uint32(e.Status))
	if e.Object != 0 {
		what += fmt.Sprintf(" object %d", e.Object)
	}
	if len(e.Message) > 0 {
		what += fmt.Sprintf(" message %q", e.Message)
	}
	return fmt.Sprintf("%d,%s,%s %s,%x,%x", r.Number, when, who, what, r.Code, encoded), nil
}
