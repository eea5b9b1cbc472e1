package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// FileOptions say where a capture goes, and when it goes on in another file.
type FileOptions struct {
	Header

	// Path of the file. If there is any limit, the number of the file is put
	// before its extension: trace.pcapng becomes trace_00001.pcapng and so on.
	// Files that exist are replaced. Only their owner may read them.
	Path string

	// Limits of one file; 0 means none. The packet that would pass one goes into
	// the next file.
	MaxBytes   int64         // size of the file; one packet always fits
	MaxPackets int           // packets
	MaxAge     time.Duration // between its first packet and its last

	// Keep is how many files there may be at a time; the oldest is deleted for
	// the next. 0 means all.
	Keep int
}

// Files writes a capture to one file, or to one after the other. It implements
// Sink.
type Files struct {
	options FileOptions
	number  int // of the file being written
	names   []string

	file    *os.File
	writer  *Writer
	written int64 // bytes
	packets int
	dropped uint64
	first   time.Time
}

// NewFiles opens the first file.
func NewFiles(o FileOptions) (*Files, error) {
	f := &Files{options: o}
	return f, f.open()
}

// Names returns the files that there are, oldest first.
func (f *Files) Names() []string { return f.names }

func (f *Files) limited() bool {
	return f.options.MaxBytes > 0 || f.options.MaxPackets > 0 || f.options.MaxAge > 0
}

// name returns the name of the current file.
func (f *Files) name() string {
	if !f.limited() {
		return f.options.Path
	}
	extension := filepath.Ext(f.options.Path)
	return fmt.Sprintf("%s_%05d%s", strings.TrimSuffix(f.options.Path, extension), f.number, extension)
}

// open begins the next file, and deletes the oldest if there are too many.
func (f *Files) open() error {
	f.number++
	if f.options.Keep > 0 && len(f.names) >= f.options.Keep {
		if err := os.Remove(f.names[0]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("delete the oldest capture file: %w", err)
		}
		f.names = f.names[1:]
	}
	file, err := os.OpenFile(f.name(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open the capture file: %w", err)
	}
	f.names = append(f.names, f.name())
	f.file, f.written, f.packets, f.dropped = file, 0, 0, 0
	w, err := NewWriter((*counter)(f), f.options.Header)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.writer = w
	return nil
}

// counter is Files as the io.Writer of its Writer.
type counter Files

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.file.Write(p)
	c.written += int64(n)
	return n, err
}

var _ io.Writer = (*counter)(nil)

// Write implements Sink.
func (f *Files) Write(p *Packet, dropped uint64) error {
	if f.packets > 0 && f.full(p) {
		if err := f.finish(); err != nil {
			return err
		}
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.packets == 0 {
		f.first = p.Time
	}
	f.packets++
	f.dropped += dropped
	return f.writer.Write(p, dropped)
}

// blockCost bounds what a file holds besides its packets' bytes: the block around
// a packet, with its options, and the statistics at the end.
const blockCost = 256

// full reports whether p belongs into the next file.
func (f *Files) full(p *Packet) bool {
	o := &f.options
	size := f.written + int64(f.writer.buffer.Len()) + int64(p.size(f.writer.header.snap())) + blockCost
	return o.MaxBytes > 0 && size > o.MaxBytes ||
		o.MaxPackets > 0 && f.packets >= o.MaxPackets ||
		o.MaxAge > 0 && p.Time.Sub(f.first) > o.MaxAge
}

// finish ends the current file.
func (f *Files) finish() error {
	err := f.writer.Close(Statistics{Packets: uint64(f.packets), Dropped: f.dropped})
	return errors.Join(err, f.file.Close())
}

// Flush implements Sink. The statistics are of the whole capture; each file has
// its own at its end.
func (f *Files) Flush(Statistics) error { return f.writer.flush() }

// Close implements Sink.
func (f *Files) Close(Statistics) error { return f.finish() }
