package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// LINKTYPE_USB_LINUX: usbmon with the header of 48 bytes.
const linkTypeShort layers.LinkType = 189

// readBuffer is how many bytes are read at a time.
const readBuffer = 64 << 10

// Errors of a Reader.
var (
	// ErrFormat says that a file is not pcapng, or is damaged.
	ErrFormat = errors.New("not a pcapng capture")
	// ErrTruncated says that a file ends within a packet.
	ErrTruncated = errors.New("the capture ends within a packet")
)

// Reader reads the USB packets of a pcapng file: those of a Writer, and what
// Linux's usbmon gave to Wireshark or dumpcap. It takes memory only for bytes
// that are there.
type Reader struct {
	source  source
	in      *bufio.Reader // blocks reads through it too
	blocks  *pcapgo.NgReader
	number  int
	dropped uint64 // as the statistics say
	gaps    uint64 // as the packets say
}

// NewReader reads the head of a file. Errors wrap ErrFormat or are those of r.
func NewReader(r io.Reader) (*Reader, error) {
	c := &Reader{source: source{from: r}}
	c.in = bufio.NewReaderSize(&c.source, readBuffer)
	magic, err := c.in.Peek(4)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: it is empty or nearly so", ErrFormat)
	case err != nil:
		return nil, err
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return nil, fmt.Errorf("%w: it is compressed; gunzip it first", ErrFormat)
	case magic[0] == 0xd4 && magic[1] == 0xc3 || magic[0] == 0xa1 || magic[0] == 0x4d && magic[1] == 0x3c:
		return nil, fmt.Errorf("%w but the older pcap; convert it: editcap -F pcapng OLD NEW", ErrFormat)
	}
	c.blocks, err = pcapgo.NewNgReader(c.in, pcapgo.NgReaderOptions{
		WantMixedLinkType:  true,
		StatisticsCallback: func(_ int, s pcapgo.NgInterfaceStatistics) { c.count(s.PacketsDropped) },
	})
	if err != nil {
		return nil, c.damage(err)
	}
	return c, nil
}

func (c *Reader) count(dropped uint64) {
	if dropped != pcapgo.NgNoValue64 {
		c.dropped = max(c.dropped, dropped)
	}
}

// Redacted reports whether the file says that its secrets are blanked.
func (c *Reader) Redacted() bool { return isRedacted(c.blocks.SectionInfo().Comment) }

// Dropped returns how many packets are known, so far, to be missing.
func (c *Reader) Dropped() uint64 { return max(c.dropped, c.gaps) }

// Next returns the next USB packet, or io.EOF behind the last. Packets of other
// links are passed over, and counted in Packet.Number as Wireshark does. Other
// errors wrap ErrFormat, ErrTruncated or ErrPacket, or are those of the file;
// after an ErrPacket, which names the packet, Next may be called again.
func (c *Reader) Next() (*Packet, error) {
	for {
		data, info, options, err := c.blocks.ReadPacketDataWithOptions()
		if err != nil {
			return nil, c.damage(err)
		}
		c.number++
		if options.DropCount != nil {
			c.gaps += *options.DropCount
		}
		size := 0
		switch link, _ := info.AncillaryData[0].(layers.LinkType); link {
		case layers.LinkTypeLinuxUSB:
			size = headerSize
		case linkTypeShort:
			size = shortHeaderSize
		default:
			continue
		}
		p, err := parse(data, size)
		if err != nil {
			return nil, fmt.Errorf("packet %d: %w", c.number, err)
		}
		p.Number, p.Comments, p.Cut = c.number, options.Comments, max(info.Length-info.CaptureLength, 0)
		return p, nil
	}
}

// waits reports whether all that has arrived was read.
func (c *Reader) waits() bool { return c.in.Buffered() == 0 }

// source remembers how far its reader was read, and the error that it had.
type source struct {
	from   io.Reader
	failed error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

// damage tells the end of a file, clean or not, from what is wrong with it.
func (c *Reader) damage(err error) error {
	switch {
	case c.source.failed != nil:
		return c.source.failed
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}
