package audit

import (
	"crypto/hmac"

	"usbhsm7/firmware/command"
)

// Verifier checks a log record by record.
type Verifier struct {
	secret   []byte
	findings []command.AuditFinding
	before   []byte // code of the record with the number top; empty = not known
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
func (v *Verifier) Begin(after command.AuditHead) {
	v.before, v.last, v.top = after.Code, after.Number, after.Number
}

// Add checks the next record.
func (v *Verifier) Add(r *command.AuditRecord) error {
	code, err := codeOf(r, v.secret)
	if err != nil {
		return err
	}
	switch genuine := hmac.Equal(code, r.Code) && len(r.Before) == LinkSize; {
	case genuine:
		v.place(r)
		if r.Number > v.top {
			v.before, v.top = r.Code, r.Number
		}
	case r.Number == v.top+1: // it stands where it says that it does
		v.find(command.AuditChanged, r.Number, 1)
		v.before, v.top = nil, r.Number
	default:
		v.find(command.AuditChanged, r.Number, 1)
	}
	v.last = r.Number
	v.checked++
	return nil
}

// place checks that a genuine record stands where it belongs.
func (v *Verifier) place(r *command.AuditRecord) {
	switch {
	case v.checked > 0 && r.Number == v.last:
		v.find(command.AuditRepeated, r.Number, 1)
	case r.Number <= v.top:
		v.find(command.AuditMoved, r.Number, 1)
	case r.Number > v.top+1:
		v.find(command.AuditDropped, v.top+1, r.Number-v.top-1)
	case len(v.before) > 0 && !hmac.Equal(v.before[:min(LinkSize, len(v.before))], r.Before):
		v.find(command.AuditForeign, r.Number, 1)
	}
}

func (v *Verifier) find(fault command.AuditFault, number, count uint64) {
	if len(v.findings) < maxFindings {
		v.findings = append(v.findings, command.AuditFinding{Fault: fault, Number: number, Count: count})
	}
}

// End returns what was found and how many records were looked at. If the end of
// the log is known, as the HSM tells it, what is missing there is found too.
func (v *Verifier) End(head *command.AuditHead) ([]command.AuditFinding, uint64) {
	if head != nil && head.Number > v.top {
		v.find(command.AuditTruncated, v.top+1, head.Number-v.top)
	}
	return v.findings, v.checked
}
