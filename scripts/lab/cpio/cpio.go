// Package cpio writes archives in the "new ASCII" format (newc), the one that
// Linux unpacks as its initial RAM file system: see
// Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
// Everything in an archive belongs to root, and times are zero, so that equal
// content gives equal bytes.
package cpio

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// File types of st_mode.
const (
	typeDirectory = 0o040000
	typeFile      = 0o100000
	typeLink      = 0o120000
	typeCharacter = 0o020000
)

const (
	headerSize = 110 // "070701" and thirteen 8-digit hexadecimal fields
	align      = 4   // names and contents end on this boundary, counted from the start of the archive
	trailer    = "TRAILER!!!"
)

// ErrTooLarge tells that a content does not fit the 32-bit size field.
var ErrTooLarge = errors.New("cpio: content of 4 GiB or more")

// Writer writes one archive. Parent directories must be written before what
// they hold. The first error sticks and is returned by every later call.
type Writer struct {
	w     io.Writer
	inode uint32
	err   error
}

// NewWriter returns a writer of an archive to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Directory adds a directory with the permission bits perm.
func (a *Writer) Directory(name string, perm uint32) error {
	return a.entry(name, typeDirectory|perm&0o7777, 0, 0, nil)
}

// File adds a regular file with the permission bits perm.
func (a *Writer) File(name string, perm uint32, content []byte) error {
	return a.entry(name, typeFile|perm&0o7777, 0, 0, content)
}

// Link adds a symbolic link to target.
func (a *Writer) Link(name, target string) error {
	return a.entry(name, typeLink|0o777, 0, 0, []byte(target))
}

// Character adds a character device node.
func (a *Writer) Character(name string, perm, major, minor uint32) error {
	return a.entry(name, typeCharacter|perm&0o7777, major, minor, nil)
}

// Close writes the archive's end. It does not close the underlying writer.
func (a *Writer) Close() error {
	a.inode = 0 // the trailer carries none
	return a.record(trailer, 0, 0, 0, 0, nil)
}

func (a *Writer) entry(name string, mode, major, minor uint32, content []byte) error {
	if uint64(len(content)) > math.MaxUint32 {
		return fmt.Errorf("%w: %s", ErrTooLarge, name)
	}
	a.inode++
	return a.record(name, mode, a.inode, major, minor, content)
}

// record writes one header, name and content, each padded.
func (a *Writer) record(name string, mode, inode, major, minor uint32, content []byte) error {
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		inode, mode, 0, 0, // user, group
		1, 0, // links, modification time
		len(content), 0, 0, // device that holds the file
		major, minor, len(name)+1, 0, // checksum: none in this format
		name)
	a.write([]byte(header))
	a.write(make([]byte, padding(headerSize+len(name)+1)))
	a.write(content)
	a.write(make([]byte, padding(len(content))))
	return a.err
}

func (a *Writer) write(p []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(p)
	}
}

// padding returns the number of bytes from n to the next boundary.
func padding(n int) int { return -n & (align - 1) }
