package audit

import (
	"context"
	"errors"

	"usbhsm7/firmware/command"
)

// batch is how many records a device checks at a time: some 150 KiB.
const batch = 1000

// Verifier is what Verify needs of a session in which the Auditor is logged in:
// a *hostdrv.Session.
type Verifier interface {
	AuditVerify(context.Context, command.AuditVerifyRequest) (command.AuditVerifyResponse, error)
}

// Report is what a verification has found.
type Report struct {
	Checked  uint64                 `json:"checked"` // records
	First    uint64                 `json:"first"`   // number of the record with which the log should begin
	Last     uint64                 `json:"last"`    // highest number of a record; First-1 = there is none
	Findings []command.AuditFinding `json:"findings"`
	BadLines []*BadLine             `json:"bad_lines"`
}

// Genuine reports whether nothing is wrong with the log.
func (r *Report) Genuine() bool { return len(r.Findings) == 0 && len(r.BadLines) == 0 }

// Extent says from where to where a log should go.
type Extent struct {
	First uint64             // number of its first record; 0 means 1
	Head  *command.AuditHead // its end; nil if it is not known, and then nothing is missed there
}

// Verify has a device check the log of the device with a serial number, which
// lines reads: see [ReadFiles]. An error is not about the log: what is wrong with
// that is in the report.
func Verify(ctx context.Context, by Verifier, serial string, lines func(func(command.AuditRecord, error) bool), e Extent) (Report, error) {
	v := newVerification(ctx, by, serial, e)
	for r, err := range lines {
		var bad *BadLine
		if errors.As(err, &bad) {
			v.report.BadLines = append(v.report.BadLines, bad)
			err = nil
		}
		if err == nil && (bad == nil || bad.Number != 0) {
			err = v.add(r)
		}
		if err != nil {
			return v.report, err
		}
	}
	v.request.Head = e.Head
	return v.report, v.check()
}

// verification gathers records into requests.
type verification struct {
	ctx     context.Context
	by      Verifier
	request command.AuditVerifyRequest
	report  Report
}

func newVerification(ctx context.Context, by Verifier, serial string, e Extent) *verification {
	first := max(e.First, 1)
	v := &verification{ctx: ctx, by: by, request: command.AuditVerifyRequest{Serial: serial}}
	v.report = Report{First: first, Last: first - 1, Findings: []command.AuditFinding{}, BadLines: []*BadLine{}}
	if first > 1 {
		v.request.After = &command.AuditHead{Number: first - 1, Code: []byte{}}
	}
	return v
}

func (v *verification) add(r command.AuditRecord) error {
	v.report.Last = max(v.report.Last, r.Number)
	v.request.Records = append(v.request.Records, r)
	if len(v.request.Records) < batch {
		return nil
	}
	return v.check()
}

func (v *verification) check() error {
	answer, err := v.by.AuditVerify(v.ctx, v.request)
	if err != nil {
		return err
	}
	v.report.Checked += answer.Checked
	v.report.Findings = append(v.report.Findings, answer.Findings...)
	for _, r := range v.request.Records { // what comes next follows on the latest of them
		if v.request.After == nil || r.Number > v.request.After.Number {
			v.request.After = &command.AuditHead{Number: r.Number, Code: r.Code}
		}
	}
	v.request.Records = v.request.Records[:0]
	return nil
}
