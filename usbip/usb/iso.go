package usb

import (
	"errors"
	"fmt"
)

// IsoPacket is one packet of an isochronous transfer: what moves in one service
// interval of the endpoint.
type IsoPacket struct {
	Offset int    // into the URB's Buffer; Offset+Length is at most len(Buffer)
	Length int    // bytes asked for or sent; together at most len(Buffer)
	Actual int    // bytes transferred, valid in Done: 0 to Length
	Status Status // valid in Done; EXDEV = nothing moved in the packet's interval
}

// ErrPackets says that packets of an isochronous URB do not lie within its buffer.
var ErrPackets = errors.New("isochronous packets outside their buffer")

// CheckPackets returns an error that wraps ErrPackets unless there are packets,
// each lies within a buffer of room bytes, and together they are no longer than
// the buffer. Gaps between packets and any order of them are allowed.
func CheckPackets(packets []IsoPacket, room int) error {
	if len(packets) == 0 {
		return fmt.Errorf("%w: no packets", ErrPackets)
	}
	left := room
	for i := range packets {
		p := &packets[i]
		if p.Offset < 0 || p.Length < 0 || p.Offset > room || p.Length > room-p.Offset || p.Length > left {
			return fmt.Errorf("%w: packet %d at offset %d with length %d, %d of %d bytes are left",
				ErrPackets, i, p.Offset, p.Length, left, room)
		}
		left -= p.Length
	}
	return nil
}

// settlePackets makes results of packets ones that a host can bear, and returns
// how many bytes they moved.
func settlePackets(packets []IsoPacket) (total int) {
	for i := range packets {
		p := &packets[i]
		p.Actual = min(max(p.Actual, 0), max(p.Length, 0))
		if p.Status > 0 {
			p.Status = EPROTO
		}
		total += p.Actual
	}
	return total
}

// ErrNoEndpoint says that no configuration of a device has such an endpoint.
var ErrNoEndpoint = errors.New("no such USB endpoint")

// Source makes f the function's side of the isochronous IN endpoint with the
// given address. For each packet that the host asks for, f returns what the
// endpoint sends in that interval; room is the most that it can move, and nothing
// makes a zero-length packet. The data must stay as it is until the next call.
//
// There is no waiting on an isochronous endpoint: f is called when the host
// submits, on its goroutine, one call at a time, with no lock held, and must not
// block. Without a source every packet is empty. Call Source before a host comes.
// The error is ErrNoEndpoint.
func (d *Device) Source(address uint8, f func(room int) []byte) error {
	return d.setIso(address, DirIn, func(e *endpoint) { e.source = f })
}

// Sink makes f the function's side of the isochronous OUT endpoint with the given
// address. It is called with each packet that the host sends, empty ones too;
// the data is valid until f returns. The rules of Source apply. Without a sink
// packets are dropped.
func (d *Device) Sink(address uint8, f func(packet []byte)) error {
	return d.setIso(address, 0, func(e *endpoint) { e.sink = f })
}

func (d *Device) setIso(address, direction uint8, set func(*endpoint)) error {
	e := d.endpoints[address]
	if e == nil || !e.mayBeIso || address&DirIn != direction {
		return fmt.Errorf("%w: isochronous, address %02x", ErrNoEndpoint, address)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	set(e)
	return nil
}

// runIso carries out the isochronous URBs that wait, in order. The lock is held,
// except while packets move.
func (e *endpoint) runIso() {
	if e.moving {
		return
	}
	e.moving = true
	for u := e.urbs.pop(); u != nil; u = e.urbs.pop() {
		u.StartFrame = e.takeFrames(len(u.Packets))
		stream := isoStream{room: e.is.BytesPerInterval(), source: e.source, sink: e.sink}
		e.dev.mu.Unlock()
		stream.move(u)
		e.dev.mu.Lock()
		e.dev.finish(u, 0, OK)
	}
	e.moving = false
}

// takeFrames returns the frame in which a URB begins, and advances the time of
// the bus by what it takes. No clock drives the bus: its time is what endpoints
// have used up. A stream has no gaps, however late its URBs come.
func (e *endpoint) takeFrames(packets int) int32 {
	start := e.nextFrame
	e.nextFrame += uint64(packets) << (e.is.Interval - 1)
	e.dev.frame = max(e.dev.frame, e.nextFrame)
	return int32(start % speeds[e.dev.descriptors.Speed].frames)
}

// isoStream is an isochronous endpoint while one URB is carried out.
type isoStream struct {
	room   int // bytes that one interval can move
	source func(int) []byte
	sink   func([]byte)
}

func (s *isoStream) move(u *URB) {
	for i := range u.Packets {
		p := &u.Packets[i]
		data := u.Buffer[p.Offset : p.Offset+p.Length]
		if u.In() {
			p.Actual, p.Status = s.fill(data)
		} else {
			p.Actual, p.Status = s.take(data)
		}
	}
}

// fill moves one packet to the host. More than the interval or the host's buffer
// can hold is babble.
func (s *isoStream) fill(data []byte) (int, Status) {
	if s.source == nil {
		return 0, OK
	}
	packet := s.source(s.room)
	n := copy(data[:min(len(data), s.room)], packet)
	if n < len(packet) {
		return n, EOVERFLOW
	}
	return n, OK
}

// take moves one packet to the function. One that the interval cannot hold stays
// with the host.
func (s *isoStream) take(data []byte) (int, Status) {
	if len(data) > s.room {
		return 0, EXDEV
	}
	if s.sink != nil {
		s.sink(data)
	}
	return len(data), OK
}
