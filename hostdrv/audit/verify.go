package audit

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"usbhsm7/firmware/command"
)

// batch is how many records a device checks at a time: some 150 KiB.
const batch = 1000

// Verifier is what Verify needs of a session in which the Auditor is logged in:
// a *hostdrv.Session.
type Verifier interface {
	AuditVerify(context.Context, command.AuditVerifyRequest) (command.AuditVerifyResponse, error)
}

// ReadFiles returns an iterator over the records of log files, in order. It stops
// at the first line that is no record and yields the error, which names it.
func ReadFiles(paths []string) func(yield func(command.AuditRecord, error) bool) {
	return func(yield func(command.AuditRecord, error) bool) {
		for _, path := range paths {
			if !readFile(path, yield) {
				return
			}
		}
	}
}

// readFile yields the records of a file and reports whether to go on.
func readFile(path string, yield func(command.AuditRecord, error) bool) bool {
	file, err := os.Open(path)
	if err != nil {
		yield(command.AuditRecord{}, err)
		return false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 4096), maxLine)
	for n := 1; lines.Scan(); n++ {
		r, err := command.ParseAuditLine(lines.Text())
		if err != nil {
			yield(r, fmt.Errorf("%s line %d: %w", path, n, err))
			return false
		}
		if !yield(r, nil) {
			return false
		}
	}
	if err := lines.Err(); err != nil {
		yield(command.AuditRecord{}, fmt.Errorf("%s: %w", path, err))
		return false
	}
	return true
}

// Report is what a verification has found.
type Report struct {
	Checked  uint64                 `json:"checked"` // records
	Findings []command.AuditFinding `json:"findings"`
}

// Verify has a device check the log of the device with a serial number. Of a log
// that does not begin with the first record, what is before is not missed. Head,
// if it is not nil, is the end of the log: what is missing before it is found.
func Verify(ctx context.Context, by Verifier, serial string, records func(func(command.AuditRecord, error) bool), head *command.AuditHead) (Report, error) {
	v := verification{ctx: ctx, by: by, report: Report{Findings: []command.AuditFinding{}}}
	v.request.Serial = serial
	for r, err := range records {
		if err == nil {
			err = v.add(r)
		}
		if err != nil {
			return v.report, err
		}
	}
	v.request.Head = head
	return v.report, v.check()
}

// verification gathers records into requests.
type verification struct {
	ctx     context.Context
	by      Verifier
	request command.AuditVerifyRequest
	begun   bool
	report  Report
}

func (v *verification) add(r command.AuditRecord) error {
	if !v.begun && r.Number > 1 {
		v.request.After = &command.AuditHead{Number: r.Number - 1, Code: []byte{}}
	}
	v.begun = true
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

// Archive writes files to w as a tar archive, under their names without
// directories.
func Archive(w io.Writer, paths []string) error {
	archive := tar.NewWriter(w)
	for _, path := range paths {
		if err := addFile(archive, path); err != nil {
			return fmt.Errorf("archive %s: %w", path, err)
		}
	}
	return archive.Close()
}

func addFile(archive *tar.Writer, path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: filepath.Base(path), Mode: 0o640, Size: info.Size(), ModTime: info.ModTime()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(archive, file, info.Size()) // no more than was announced, if it grows
	return err
}
