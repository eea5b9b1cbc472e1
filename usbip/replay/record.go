package replay

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

// Options say what of a recording is meant.
type Options struct {
	// Bus and Device choose the device of a recording that has several. With
	// both 0 there must be only one.
	Bus    uint16
	Device uint8

	// MaxBytes bounds the memory for the recording; 0 means 256 MiB.
	MaxBytes int
}

const (
	defaultBytes = 256 << 20
	transferCost = 256 // bytes of memory for a transfer besides its data
)

// Errors of Load.
var (
	// ErrIncomplete says that something is missing from a recording.
	ErrIncomplete = errors.New("the recording cannot be replayed")
	// ErrAmbiguous says that a recording has several devices.
	ErrAmbiguous = errors.New("the recording has several devices")
	// ErrTooLarge says that a recording passes Options.MaxBytes.
	ErrTooLarge = errors.New("the recording is too large to be replayed")
)

// Record is a recording of one device, ready to be replayed.
type Record struct {
	identity usb.Identity
	lanes    []*lane // in order of address; the control pipe is 0
	unplugs  []int   // numbers of the packets at which the device was unplugged
	steps    int     // transfers that the host has to make
	redacted bool
}

// Redacted reports whether the secrets in the recording are blanked.
func (r *Record) Redacted() bool { return r.redacted }

// never is the number of a packet behind every other.
const never = math.MaxInt

// transfer is one recorded URB.
type transfer struct {
	number  int // packet of its submission
	end     int // packet of its end; never if the recording has none
	address uint8
	setup   *usb.Setup // control transfers only
	length  int        // bytes asked for or sent
	out     []byte     // what the host sent; shorter than length if the capture was cut
	in      []byte     // what it got
	status  usb.Status
	actual  int
	packets []usb.IsoPacket // of its end
}

// cancelled reports whether the host took the URB back, or left before its end.
func (t *transfer) cancelled() bool {
	return t.end == never || t.status == usb.ECONNRESET || t.status == usb.ENOENT || t.status == usb.ESHUTDOWN
}

// String describes t for reports, without its data.
func (t *transfer) String() string {
	if t.setup != nil {
		return t.setup.String()
	}
	return fmt.Sprintf("OUT transfer of %d bytes to endpoint %02x", t.length, t.address)
}

// loader makes a Record of packets.
type loader struct {
	options Options
	record  *Record
	pending map[uint64]*transfer // by URB
	places  []string             // devices seen
	held    int                  // bytes of memory
}

// Load reads a recording to its end. Errors wrap ErrIncomplete, ErrAmbiguous,
// ErrTooLarge or those of capture.Reader.
func Load(packets *capture.Reader, o Options) (*Record, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	l := &loader{
		options: o, pending: map[uint64]*transfer{},
		record: &Record{redacted: packets.Redacted()},
	}
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := l.add(p); err != nil {
			return nil, err
		}
	}
	if n := packets.Dropped(); n > 0 {
		return nil, fmt.Errorf("%w: %d packets were lost while it was made", ErrIncomplete, n)
	}
	return l.finish()
}

// add takes one packet.
func (l *loader) add(p *capture.Packet) error {
	if !l.chosen(p) {
		return nil
	}
	if slices.Contains(p.Comments, capture.Unplugged) {
		l.record.unplugs = append(l.record.unplugs, p.Number)
	}
	if l.held += transferCost + len(p.Data); l.held > l.options.MaxBytes {
		return fmt.Errorf("%w: more than %d MiB", ErrTooLarge, l.options.MaxBytes>>20)
	}
	if p.Event == capture.Submission {
		l.begin(p)
		return nil
	}
	return l.end(p)
}

// chosen reports whether p is of the device that is meant.
func (l *loader) chosen(p *capture.Packet) bool {
	place := fmt.Sprintf("%d.%d", p.Bus, p.Device)
	if l.options.Bus == 0 && l.options.Device == 0 {
		if !slices.Contains(l.places, place) && len(l.places) < 100 {
			l.places = append(l.places, place)
		}
		return true
	}
	if p.Bus != l.options.Bus || p.Device != l.options.Device {
		return false
	}
	l.places = []string{place}
	return true
}

func (l *loader) begin(p *capture.Packet) {
	l.pending[p.ID] = &transfer{
		number: p.Number, end: never, address: p.Endpoint, setup: p.Setup, length: p.Length, out: p.Data,
	}
	if address := l.address(p); !answers(address) {
		lane := l.record.lane(address)
		lane.steps = append(lane.steps, l.pending[p.ID])
		l.record.steps++
	}
}

// address returns the key of the lane for p.
func (*loader) address(p *capture.Packet) uint8 {
	if p.Type == usb.Control {
		return 0
	}
	return p.Endpoint
}

// answers reports whether a lane holds answers rather than what the host does.
func answers(address uint8) bool { return address&usb.DirIn != 0 }

func (l *loader) end(p *capture.Packet) error {
	t := l.pending[p.ID]
	delete(l.pending, p.ID)
	address := l.address(p)
	switch {
	case t == nil && !answers(address):
		return nil // began before the recording, and tells nothing
	case t == nil:
		t = &transfer{number: p.Number, address: p.Endpoint}
	case p.Event == capture.Failure:
		l.forget(address, t)
		return nil
	}
	t.end, t.status, t.actual, t.in, t.packets = p.Number, p.Status, p.Length, p.Data, p.Packets
	if p.Cut > 0 || p.In() && len(p.Packets) == 0 && len(p.Data) < p.Length {
		return fmt.Errorf("%w: packet %d is not whole: it holds %d of %d bytes", ErrIncomplete, p.Number, len(p.Data), p.Length)
	}
	if answers(address) && !(t.cancelled() && t.actual == 0) {
		lane := l.record.lane(address)
		lane.answers = append(lane.answers, t)
	}
	return nil
}

// forget takes back a transfer that never reached the bus.
func (l *loader) forget(address uint8, t *transfer) {
	lane := l.record.lane(address)
	if i := slices.Index(lane.steps, t); i >= 0 {
		lane.steps = slices.Delete(lane.steps, i, i+1)
		l.record.steps--
	}
}

// lane returns the lane of an endpoint.
func (r *Record) lane(address uint8) *lane {
	i, found := slices.BinarySearchFunc(r.lanes, address, func(l *lane, a uint8) int { return int(l.address) - int(a) })
	if !found {
		r.lanes = slices.Insert(r.lanes, i, &lane{address: address})
	}
	return r.lanes[i]
}

// finish judges what was read.
func (l *loader) finish() (*Record, error) {
	if len(l.places) == 0 {
		return nil, fmt.Errorf("%w: it has no packets of that device", ErrIncomplete)
	}
	if len(l.places) > 1 {
		return nil, fmt.Errorf("%w, at %s: choose one", ErrAmbiguous, strings.Join(l.places, ", "))
	}
	var err error
	l.record.identity, err = identify(l.record.lane(0).steps)
	return l.record, err
}
