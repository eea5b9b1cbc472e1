package command

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// AuditEvent is what an audit record tells.
type AuditEvent struct {
	Time      int64      `cbor:"1,keyasint" json:"time"` // of the device's clock: seconds since 1970, UTC
	Class     AuditClass `cbor:"2,keyasint" json:"class"`
	Slot      Slot       `cbor:"3,keyasint" json:"slot"`
	Session   uint32     `cbor:"4,keyasint" json:"session"` // 0 = none
	Role      Role       `cbor:"5,keyasint" json:"role"`    // who was logged in; of a login, who wanted to
	Operation Code       `cbor:"6,keyasint" json:"operation"`
	Status    Status     `cbor:"7,keyasint" json:"status"`
	Object    Handle     `cbor:"8,keyasint,omitempty" json:"object,omitempty"`  // the key, where one was used
	Message   string     `cbor:"9,keyasint,omitempty" json:"message,omitempty"` // of an external event: what the host sent
	Lost      uint64     `cbor:"10,keyasint,omitempty" json:"lost,omitempty"`   // events before this one that had no room
}

// AuditRecord is an event in its place in the log. Package hsm/audit says how
// the code is made; the host cannot check it.
type AuditRecord struct {
	Number uint64     `cbor:"1,keyasint" json:"number"` // from 1, without gaps
	Event  AuditEvent `cbor:"2,keyasint" json:"event"`
	Before []byte     `cbor:"3,keyasint" json:"before"`                   // the first 16 bytes of the code of the record before
	Code   []byte     `cbor:"4,keyasint,omitempty" json:"code,omitempty"` // 32 bytes
}

// AuditHead is the end of a log.
type AuditHead struct {
	Number uint64 `cbor:"1,keyasint" json:"number"` // of the last record; 0 = none yet
	Code   []byte `cbor:"2,keyasint" json:"code"`   // of the last record
}

// AuditFault is a kind of damage to a log.
type AuditFault uint8

// Faults.
const (
	AuditChanged   AuditFault = 1 // the record is not what the HSM wrote
	AuditDropped   AuditFault = 2 // records before this one are missing
	AuditRepeated  AuditFault = 3 // the record stands there twice
	AuditMoved     AuditFault = 4 // the record stands behind later ones
	AuditForeign   AuditFault = 5 // the HSM wrote the record, but not after the one before it
	AuditTruncated AuditFault = 6 // records after the last one are missing
)

// String returns the name of the fault.
func (f AuditFault) String() string {
	names := [...]string{"", "changed", "dropped", "repeated", "moved", "foreign", "truncated"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("fault %d", uint8(f))
}

// AuditFinding is one fault and where it is.
type AuditFinding struct {
	Fault  AuditFault `cbor:"1,keyasint" json:"fault"`
	Number uint64     `cbor:"2,keyasint" json:"number"` // of the record; of dropped and truncated ones, of the first that is missing
	Count  uint64     `cbor:"3,keyasint" json:"count"`  // of missing records; otherwise 1
}

// String returns the finding for people.
func (f AuditFinding) String() string {
	if f.Fault == AuditDropped || f.Fault == AuditTruncated {
		return fmt.Sprintf("%d records from number %d on are missing (%s)", f.Count, f.Number, f.Fault)
	}
	return fmt.Sprintf("record %d is %s", f.Number, f.Fault)
}

// Line returns the record as one line of a log file, without its end: number,
// time, who did what with what result, code, and the encoded record, which
// ParseAuditLine reads. What a person sees in front of it proves nothing unless
// it is compared with what Line returns for the record.
func (r *AuditRecord) Line(serial string) (string, error) {
	encoded, err := Marshal(r)
	if err != nil {
		return "", fmt.Errorf("audit record %d: %w", r.Number, err)
	}
	e := &r.Event
	result, ok := e.Status.Name()
	if !ok {
		result = "unknown status"
	}
	what := fmt.Sprintf("%s operation %s returned %s(0x%08x)", e.Class, e.Operation, result, uint32(e.Status))
	if e.Object != 0 {
		what += fmt.Sprintf(" object %d", e.Object)
	}
	if e.Message != "" {
		what += fmt.Sprintf(" message %q", e.Message)
	}
	if e.Lost != 0 {
		what += fmt.Sprintf(" after %d events that were not recorded", e.Lost)
	}
	return fmt.Sprintf("%d,%s,S/N %s session %d slot %d role %s %s,%x,%x",
		r.Number, time.Unix(e.Time, 0).UTC().Format("06/01/02 15:04:05"),
		serial, e.Session, e.Slot, e.Role, what, r.Code, encoded), nil
}

// ParseAuditLine reads a line of a log file. The error has StatusArgumentsBad.
func ParseAuditLine(line string) (AuditRecord, error) {
	var r AuditRecord
	encoded, err := hex.DecodeString(line[strings.LastIndexByte(line, ',')+1:])
	if err != nil || len(encoded) == 0 {
		return r, StatusArgumentsBad.With("the line does not end in a record", "")
	}
	return r, Unmarshal(encoded, &r)
}

// Check refuses masks and rotations that are none.
func (c *AuditConfig) Check() error {
	if c.Rotation > RotateMonthly {
		return StatusArgumentsBad.Withf("there is no rotation %d", c.Rotation)
	}
	return c.Mask.Check()
}

// Uses returns the key that the request uses.
func (r *SignRequest) Uses() Handle { return r.Key }

// Uses returns the key that the request uses.
func (r *VerifyRequest) Uses() Handle { return r.Key }

// Uses returns the key that the request uses.
func (r *CipherRequest) Uses() Handle { return r.Key }
