package audit

import (
	"crypto/hmac"
	"fmt"
)

// Fault is a kind of damage to a log.
type Fault string

// Faults.
const (
	Changed   Fault = "changed"   // the record is not what the HSM wrote
	Dropped   Fault = "dropped"   // records before this one are missing
	Repeated  Fault = "repeated"  // the record stands there twice
	Moved     Fault = "moved"     // the record stands behind later ones
	Foreign   Fault = "foreign"   // the HSM wrote the record, but not after the one before it
	Truncated Fault = "truncated" // records after the last one are missing
)

// Finding is one fault and where it is.
type Finding struct {
	Fault  Fault  `cbor:"1,keyasint" json:"fault"`
	Number uint64 `cbor:"2,keyasint" json:"number"` // of the record; of Dropped and Truncated, of the first that is missing
	Count  uint64 `cbor:"3,keyasint" json:"count"`  // of missing records; otherwise 1
}

// String returns the finding for people.
func (f Finding) String() string {
	if f.Fault == Dropped || f.Fault == Truncated {
		return fmt.Sprintf("%d records from %d on are %s", f.Count, f.Number, f.Fault)
	}
	return fmt.Sprintf("record %d is %s", f.Number, f.Fault)
}

// Verifier checks a log record by record.
type Verifier struct {
	secret   []byte
	findings []Finding
	before   []byte // code of the record with the number top; nil = not known
	last     uint64 // number of the record before
	top      uint64 // highest number so far
	checked  uint64
}

// maxFindings bounds what a verification reports.
const maxFindings = 1000

// NewVerifier checks a log that begins with the first record of the HSM with a
// serial number.
func NewVerifier(secret []byte, serial string) *Verifier {
	return &Verifier{secret: secret, before: origin(secret, serial)}
}

// Begin says that the log goes on behind a record, of which the number and, if
// it is known, the code are given.
func (v *Verifier) Begin(after Head) {
	v.before, v.last, v.top = after.Code, after.Number, after.Number
}

// Add checks the next record.
func (v *Verifier) Add(r *Record) error {
	code, err := r.code(v.secret)
	if err != nil {
		return err
	}
	if !hmac.Equal(code, r.Code) || len(r.Before) != LinkSize {
		v.find(Finding{Changed, r.Number, 1})
	} else {
		v.place(r)
	}
	if r.Number > v.top {
		v.before, v.top = r.Code, r.Number
	}
	v.last = r.Number
	v.checked++
	return nil
}

// place checks that a genuine record stands where it belongs.
func (v *Verifier) place(r *Record) {
	switch {
	case v.checked > 0 && r.Number == v.last:
		v.find(Finding{Repeated, r.Number, 1})
	case r.Number <= v.top:
		v.find(Finding{Moved, r.Number, 1})
	case r.Number > v.top+1:
		v.find(Finding{Dropped, v.top + 1, r.Number - v.top - 1})
	case v.before != nil && !hmac.Equal(v.before[:min(LinkSize, len(v.before))], r.Before):
		v.find(Finding{Foreign, r.Number, 1})
	}
}

func (v *Verifier) find(f Finding) {
	if len(v.findings) < maxFindings {
		v.findings = append(v.findings, f)
	}
}

// End returns what was found and how many records were looked at. If the end of
// the log is known, as the HSM tells it, what is missing there is found too.
func (v *Verifier) End(head *Head) ([]Finding, uint64) {
	if head != nil && head.Number > v.top {
		v.find(Finding{Truncated, v.top + 1, head.Number - v.top})
	}
	return v.findings, v.checked
}
