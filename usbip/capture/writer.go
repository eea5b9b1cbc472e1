package capture

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Header is what a file says before its first packet.
type Header struct {
	Application string // that captured
	Interface   string // name of what was watched, for example "usbhsm7"
	Redacted    bool   // bytes that may be secret have been replaced by Blank
	Snap        int    // longest packet kept, in bytes with its header of 64; 0 = whole packets
}

// redacted begins the comment of a file whose secrets are blanked. A reader knows
// by it which bytes say nothing.
const redacted = "Redacted: bytes that may be secret are replaced by asterisks (2A)."

// Writer writes one pcapng file. It implements Sink.
type Writer struct {
	out    io.Writer
	blocks *pcapgo.NgWriter
	buffer bytes.Buffer // of blocks that are not in out yet
	header Header
	packet []byte // reused
	told   uint64 // dropped packets that the file tells of in its statistics
}

// flushAt is how many bytes of packets are written together.
const flushAt = 64 << 10

// NewWriter returns a Writer that has written the head of a file to out.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: out, header: h}
	section := pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: h.Application}
	if h.Redacted {
		section.Comment = redacted
	}
	var err error
	w.blocks, err = pcapgo.NewNgWriterInterface(&w.buffer, pcapgo.NgInterface{
		Name: h.Interface, OS: runtime.GOOS, LinkType: layers.LinkTypeLinuxUSB, SnapLength: uint32(h.snap()),
	}, pcapgo.NgWriterOptions{SectionInfo: section})
	if err != nil {
		return nil, err
	}
	return w, w.flush()
}

// snap returns the longest packet.
func (h Header) snap() int {
	if h.Snap <= 0 {
		return maxPacketBytes
	}
	return max(h.Snap, headerSize)
}

// Write implements Sink.
func (w *Writer) Write(p *Packet, dropped uint64) error {
	var full int
	w.packet, full = p.append(w.packet[:0], w.header.snap())
	options := pcapgo.NgPacketOptions{Comments: p.Comments}
	if dropped > 0 {
		options.DropCount = &dropped
	}
	info := gopacket.CaptureInfo{Timestamp: p.Time, CaptureLength: len(w.packet), Length: full}
	if err := w.blocks.WritePacketWithOptions(info, w.packet, options); err != nil {
		return fmt.Errorf("encode a packet: %w", err)
	}
	if err := w.blocks.Flush(); err != nil { // to the buffer, so that its length tells
		return err
	}
	if w.buffer.Len() < flushAt {
		return nil
	}
	return w.flush()
}

// Flush implements Sink. It tells of dropped packets that no packet follows.
func (w *Writer) Flush(s Statistics) error {
	if s.Dropped > w.told {
		w.told = s.Dropped
		if err := w.statistics(s); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if f, ok := w.out.(interface{ Flush() error }); ok {
		return f.Flush()
	}
	return nil
}

// Close implements Sink: it ends the file with its statistics. What the Writer
// writes to stays open.
func (w *Writer) Close(s Statistics) error {
	if err := w.statistics(s); err != nil {
		return err
	}
	w.told = s.Dropped
	return w.Flush(s)
}

// statistics adds a block with what was counted so far.
func (w *Writer) statistics(s Statistics) error {
	return w.blocks.WriteInterfaceStats(0, pcapgo.NgInterfaceStatistics{
		LastUpdate: time.Now(), PacketsReceived: s.Packets + s.Dropped, PacketsDropped: s.Dropped,
	})
}

// flush moves whole blocks to out.
func (w *Writer) flush() error {
	if err := w.blocks.Flush(); err != nil {
		return err
	}
	_, err := w.buffer.WriteTo(w.out)
	if err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

// isRedacted reports whether a file with that comment was redacted.
func isRedacted(comment string) bool { return strings.HasPrefix(comment, redacted) }
