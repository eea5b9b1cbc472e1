package server

import (
	"fmt"
	"slices"
	"unsafe"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

const (
	packetSize = int(unsafe.Sizeof(usb.IsoPacket{}))
	// packetCost is the memory that an isochronous packet of a URB takes, in
	// bytes: once as the host asked for it, once for the port to work on.
	packetCost = 2 * packetSize
	// maxIdlePackets is for how many transfers that are not in use may keep memory.
	maxIdlePackets = (2 << 20) / packetSize
)

// layOut makes room for n isochronous packets and returns those that the port
// gets; nil if there are none.
func (t *transfer) layOut(n int) []usb.IsoPacket {
	if n == 0 {
		t.asked = t.asked[:0]
		return nil
	}
	both := slices.Grow(t.asked[:0], 2*n)[:2*n]
	t.asked = both[:n]
	return both[n : 2*n : 2*n]
}

// readPackets reads the descriptors of t's packets, which come last in a SUBMIT.
func (s *session) readPackets(t *transfer) error {
	size := len(t.asked) * proto.IsoPacketSize
	b, err := s.in.Peek(size)
	if err != nil {
		return fmt.Errorf("reading the packets of a SUBMIT: %w", err)
	}
	if err := proto.ParseIsoPackets(b, t.asked, len(t.Buffer)); err != nil {
		return err
	}
	copy(t.Packets, t.asked)
	return s.discard(size)
}

// appendIsoResult encodes the result of an isochronous URB: the header, the data
// of IN packets without the gaps between them, and the packets. A host gets its
// own packets back, with no more in them than it asked for.
func appendIsoResult(b []byte, t *transfer, r proto.SubmitReply) []byte {
	if len(t.Packets) == len(t.asked) {
		for i := range t.asked {
			asked, moved := &t.asked[i], &t.Packets[i]
			asked.Actual = min(max(moved.Actual, 0), asked.Length)
			asked.Status = noSuccess(moved.Status)
		}
	}
	r.StartFrame, r.Packets = t.StartFrame, int32(len(t.asked))
	for i := range t.asked {
		r.Actual += int32(t.asked[i].Actual)
		if t.asked[i].Status != usb.OK {
			r.Errors++
		}
	}
	b = r.Append(b)
	if t.In() {
		for _, p := range t.asked {
			b = append(b, t.Buffer[p.Offset:p.Offset+p.Actual]...)
		}
	}
	return proto.AppendIsoPackets(b, t.asked)
}
