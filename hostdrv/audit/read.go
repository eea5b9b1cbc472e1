package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"usbhsm7/firmware/command"
)

// Files returns the paths of the log files of the device with a serial number in
// a directory, oldest first. It changes nothing there.
func Files(directory, serial string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(directory, "audit-"+serial+"-*.log"))
	slices.Sort(files)
	return files, err
}

// FirstOf returns the number of the first record in a file of a log, which its
// name tells; 0 if it has no such name.
func FirstOf(path string) uint64 {
	name, named := strings.CutSuffix(filepath.Base(path), ".log")
	n, err := strconv.ParseUint(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
	if err != nil || !named {
		return 0
	}
	return n
}

// BadLine is the error of a line that somebody has changed: it holds no record,
// or says something else than the record that it holds.
type BadLine struct {
	File   string `json:"file"`
	Line   int    `json:"line"`             // from 1
	Number uint64 `json:"number,omitempty"` // of the record; 0 = there is none
}

// Error implements error.
func (e *BadLine) Error() string {
	if e.Number == 0 {
		return fmt.Sprintf("%s line %d holds no record", e.File, e.Line)
	}
	return fmt.Sprintf("%s line %d does not say what its record %d says", e.File, e.Line, e.Number)
}

// ReadFiles returns an iterator over the lines of the log files of the device
// with a serial number, in order. A bad line comes with a *[BadLine] and, if it
// holds one, with its record; any other error ends the iteration. A line at the
// end of the last file that has no end is still being written and left out.
func ReadFiles(serial string, paths []string) func(yield func(command.AuditRecord, error) bool) {
	return func(yield func(command.AuditRecord, error) bool) {
		for i, path := range paths {
			f := file{path: path, serial: serial, last: i == len(paths)-1}
			if more, err := f.read(yield); err != nil {
				yield(command.AuditRecord{}, fmt.Errorf("audit log: %w", err))
				return
			} else if !more {
				return
			}
		}
	}
}

// file is a log file that is being read.
type file struct {
	path, serial string
	last         bool // of the log
}

// read yields the lines and reports whether whoever takes them wants more.
func (f *file) read(yield func(command.AuditRecord, error) bool) (more bool, err error) {
	in, err := os.Open(f.path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	lines := bufio.NewReaderSize(in, maxLine)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		switch {
		case errors.Is(err, io.EOF) && (len(line) == 0 || f.last):
			return true, nil
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		}
		if r, err := f.parse(line, n); !yield(r, err) {
			return false, nil
		}
	}
}

// parse reads a line, which has to say what its record says.
func (f *file) parse(line string, n int) (command.AuditRecord, error) {
	r, err := command.ParseAuditLine(line)
	if err != nil {
		return command.AuditRecord{}, &BadLine{File: f.path, Line: n}
	}
	if same, err := r.Line(f.serial); err != nil || same != line {
		return r, &BadLine{File: f.path, Line: n, Number: r.Number}
	}
	return r, nil
}

// readLine returns a line without its end; of one that is longer than any record
// only the beginning. The error is io.EOF if the line has no end.
func readLine(in *bufio.Reader) (string, error) {
	slice, err := in.ReadSlice('\n')
	line := strings.TrimSuffix(strings.TrimSuffix(string(slice), "\n"), "\r")
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	return line, err
}
