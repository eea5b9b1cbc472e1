package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"usbhsm7/firmware/command"
)

// Sizes in bytes of the authentication code of a record, and of what its
// successor repeats of it.
const (
	CodeSize = sha256.Size
	LinkSize = 16
)

// codeOf computes the authentication code of r.
func codeOf(r *command.AuditRecord, secret []byte) ([]byte, error) {
	bare := command.AuditRecord{Number: r.Number, Event: r.Event, Before: r.Before}
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
