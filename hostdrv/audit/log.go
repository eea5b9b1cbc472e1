package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"usbhsm7/firmware/command"
)

// maxLine bounds a line of a log file, in bytes: a record with the longest
// message takes some 6 KiB.
const maxLine = 64 << 10

// Log is the log of one device, as files in a directory. A file is named after
// the serial number and the first record in it, with twenty digits, so that the
// order of names is that of records:
//
//	audit-7000001-00000000000000000001.log
//
// It is not safe for concurrent use.
type Log struct {
	directory string
	serial    string
	last      uint64 // number of the last record; 0 = none
	code      []byte // of the last record
	file      *os.File
	size      int64
	begun     time.Time // when the first record of file happened
}

// Open opens the log of the device with a serial number in a directory, which it
// makes if need be. New records go to the newest file; the error is a *[BadLine] if
// that has a line without a record.
func Open(directory, serial string) (*Log, error) {
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l := &Log{directory: directory, serial: serial}
	files, err := l.Files()
	if err != nil || len(files) == 0 {
		return l, err
	}
	return l, l.resume(files[len(files)-1])
}

// Files returns the paths of the log files, oldest first.
func (l *Log) Files() ([]string, error) { return Files(l.directory, l.serial) }

// resume goes on with a file. A line that a crash has cut short is removed.
func (l *Log) resume(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	whole := int64(0)
	lines := bufio.NewReaderSize(file, maxLine)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil { // the end, or a line without one
			break
		}
		r, err := command.ParseAuditLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return errors.Join(&BadLine{File: path, Line: n}, file.Close())
		}
		if n == 1 {
			l.begun = time.Unix(r.Event.Time, 0)
		}
		l.last, l.code = r.Number, r.Code
		whole += int64(len(line))
	}
	if err := file.Truncate(whole); err != nil {
		return errors.Join(err, file.Close())
	}
	if _, err := file.Seek(whole, 0); err != nil {
		return errors.Join(err, file.Close())
	}
	l.file, l.size = file, whole
	return nil
}

// Last returns the number of the last record, 0 if there is none.
func (l *Log) Last() uint64 { return l.last }

// ErrOtherLog means that the records of the device do not go on from those in the
// files: the device was reset, and has begun a log of its own. It belongs in
// another directory.
var ErrOtherLog = errors.New("the device has begun another log than the one in the files; keep it in another directory")

// reaches checks that a log that ends at head has come by the last record here.
func (l *Log) reaches(head command.AuditHead) error {
	if head.Number < l.last || head.Number == l.last && l.last > 0 && !bytes.Equal(head.Code, l.code) {
		return ErrOtherLog
	}
	return nil
}

// follows checks that a record, if it is the next one, refers to the last here.
func (l *Log) follows(r *command.AuditRecord) error {
	if l.last > 0 && r.Number == l.last+1 && !bytes.HasPrefix(l.code, r.Before) {
		return ErrOtherLog
	}
	return nil
}

// Append writes records, which are on the disk when it returns. Those that the
// log has already are left out. Files are cut as the configuration says. The
// error is ErrOtherLog if the next record does not follow on the last one.
func (l *Log) Append(records []command.AuditRecord, config command.AuditConfig) error {
	for i := range records {
		if records[i].Number <= l.last && l.last != 0 {
			continue
		}
		if err := l.append(&records[i], config); err != nil {
			return err
		}
	}
	if l.file == nil {
		return nil
	}
	return l.file.Sync()
}

func (l *Log) append(r *command.AuditRecord, config command.AuditConfig) error {
	if err := l.follows(r); err != nil {
		return err
	}
	line, err := r.Line(l.serial)
	if err != nil {
		return err
	}
	line += "\n"
	when := time.Unix(r.Event.Time, 0)
	if l.file == nil || l.full(len(line), when, config) {
		if err := l.rotate(r.Number, when); err != nil {
			return err
		}
	}
	if _, err := l.file.WriteString(line); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	l.size += int64(len(line))
	l.last, l.code = r.Number, r.Code
	return nil
}

// full reports whether a line belongs into another file.
func (l *Log) full(bytes int, when time.Time, config command.AuditConfig) bool {
	if config.Size > 0 && l.size+int64(bytes) > int64(config.Size)<<10 {
		return l.size > 0
	}
	return period(when, config.Rotation) != period(l.begun, config.Rotation)
}

// period names the hour, day, week or month of a time, in UTC.
func period(t time.Time, r command.AuditRotation) string {
	t = t.UTC()
	switch r {
	case command.RotateHourly:
		return t.Format("2006-01-02 15")
	case command.RotateDaily:
		return t.Format("2006-01-02")
	case command.RotateWeekly:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d week %d", year, week)
	case command.RotateMonthly:
		return t.Format("2006-01")
	}
	return ""
}

// rotate begins a file.
func (l *Log) rotate(first uint64, when time.Time) error {
	if err := l.Close(); err != nil {
		return err
	}
	path := filepath.Join(l.directory, fmt.Sprintf("audit-%s-%020d.log", l.serial, first))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("audit log: %s exists already: is another program collecting?", path)
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	l.file, l.size, l.begun = file, 0, when
	return syncDirectory(l.directory)
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// Close closes the file in use.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	return errors.Join(file.Sync(), file.Close())
}
