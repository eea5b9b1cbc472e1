package oracle

import (
	"encoding/binary"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// Judge is the receiving side of Linux's vhci driver, as far as it can find
// fault with a server. It is not safe for concurrent use.
type Judge struct {
	submits  map[uint32]*pending // by sequence number
	unlinks  map[uint32]uint32   // victims, by the UNLINK's sequence number
	breaches []*Breach
	fault    *Breach // the one at which the driver stopped
	rest     []byte  // the beginning of a message
}

// pending is a SUBMIT that has no answer.
type pending struct {
	proto.Submit
	packets []usb.IsoPacket
}

// Answer is a message of the server that ended a URB.
type Answer struct {
	Request  proto.Submit // the URB's SUBMIT
	Unlinked bool         // ended by the reply to an UNLINK
	Status   usb.Status
	Actual   int
	Data     []byte // IN only
}

// NewJudge returns a Judge that has seen nothing.
func NewJudge() *Judge {
	return &Judge{submits: map[uint32]*pending{}, unlinks: map[uint32]uint32{}}
}

// Submit notes a request of the host, with the packets of an isochronous one.
func (j *Judge) Submit(s proto.Submit, packets []usb.IsoPacket) {
	j.submits[s.Seq] = &pending{s, packets}
}

// Unlink notes a request of the host.
func (j *Judge) Unlink(u proto.Unlink) { j.unlinks[u.Seq] = u.Victim }

// Answered reports whether every request has its answer.
func (j *Judge) Answered() bool { return len(j.submits)+len(j.unlinks) == 0 }

// Breaches returns what the server did wrong so far, in order.
func (j *Judge) Breaches() []*Breach { return j.breaches }

// waiting returns how many requests have no answer yet.
func (j *Judge) waiting() (submits, unlinks int) { return len(j.submits), len(j.unlinks) }

func (j *Judge) note(b *Breach) { j.breaches = append(j.breaches, b) }

func word(b []byte, at int) uint32  { return binary.BigEndian.Uint32(b[at:]) }
func signed(b []byte, at int) int32 { return int32(word(b, at)) }

// payload returns how many bytes the driver reads behind the header h, or what
// makes it stop.
func (j *Judge) payload(h *proto.Header) (int, *Breach) {
	if b := j.fatal(h[:]); b != nil {
		return 0, b
	}
	p := j.submits[word(h[:], 4)]
	if word(h[:], 0) != 3 {
		return 0, nil
	}
	n := 0
	if p.In {
		n = int(signed(h[:], 24))
	}
	if p.Iso() {
		n += int(signed(h[:], 32)) * 16
	}
	return n, nil
}

// fatal returns what stops the driver at a header, or nil.
func (j *Judge) fatal(h []byte) *Breach {
	command, seq, actual, packets := word(h, 0), word(h, 4), signed(h, 24), signed(h, 32)
	if command != 3 && command != 4 {
		return breach(UnknownCommand, "command %d", command)
	}
	if command == 4 {
		return nil
	}
	p := j.submits[seq]
	switch {
	case p == nil:
		return breach(NotPending, "SUBMIT %d", seq)
	case actual < 0:
		return breach(NegativeLength, "SUBMIT %d: %d bytes", seq, actual)
	case p.In && actual > p.Length:
		return breach(TooLong, "SUBMIT %d: %d bytes, asked for %d", seq, actual, p.Length)
	case p.Iso() && (packets < 0 || packets > p.Packets):
		return breach(PacketsInvented, "SUBMIT %d: %d packets of %d", seq, packets, p.Packets)
	}
	return nil
}

// receive takes a message whose header payload has accepted. It returns the
// answer that the message is to a URB, or nil, and what makes the driver stop.
func (j *Judge) receive(h *proto.Header, payload []byte) (*Answer, *Breach) {
	if word(h[:], 8)|word(h[:], 12)|word(h[:], 16) != 0 {
		j.note(breach(HeaderNotZero, "% x", h[8:20]))
	}
	if word(h[:], 0) == 4 {
		return j.unlinked(word(h[:], 4), usb.Status(signed(h[:], 20))), nil
	}
	return j.replied(h[:], payload)
}

// replied is vhci_recv_ret_submit.
func (j *Judge) replied(h, payload []byte) (*Answer, *Breach) {
	seq, status, actual := word(h, 4), usb.Status(signed(h, 20)), int(signed(h, 24))
	p := j.submits[seq]
	var data []byte
	if p.In {
		data, payload = payload[:actual], payload[actual:]
	}
	switch {
	case status > 0:
		j.note(breach(PositiveStatus, "SUBMIT %d: %d", seq, status))
	case !p.In && actual > int(p.Length):
		j.note(breach(OutTooLong, "SUBMIT %d: %d bytes of %d", seq, actual, p.Length))
	}
	if b := j.packets(p, h, payload); b != nil {
		return nil, b
	}
	delete(j.submits, seq)
	return &Answer{Request: p.Submit, Status: status, Actual: actual, Data: data}, nil
}

// packets is usbip_recv_iso: it takes the descriptors of isochronous packets.
func (j *Judge) packets(p *pending, h, descriptors []byte) *Breach {
	seq, actual, count, failed := word(h, 4), signed(h, 24), signed(h, 32), signed(h, 36)
	if !p.Iso() {
		if count != 0 && count != -1 || failed != 0 {
			j.note(breach(NotIsochronous, "SUBMIT %d: %d packets, %d failed", seq, count, failed))
		}
		return nil
	}
	if count < p.Packets {
		j.note(breach(PacketsMissing, "SUBMIT %d: %d of %d packets", seq, count, p.Packets))
	}
	sum := int64(0)
	for i := range int(count) {
		d := descriptors[16*i:]
		sum += int64(word(d, 8))
		if b := j.packet(p, seq, i, d); b != nil {
			return b
		}
		if word(d, 12) != 0 {
			failed--
		}
	}
	if count > 0 && sum != int64(actual) {
		return breach(BadSum, "SUBMIT %d: %d bytes in packets, %d in all", seq, sum, actual)
	}
	if failed != 0 {
		j.note(breach(ErrorCount, "SUBMIT %d", seq))
	}
	return nil
}

// packet takes one descriptor.
func (j *Judge) packet(p *pending, seq uint32, i int, d []byte) *Breach {
	offset, length, actual := word(d, 0), word(d, 4), word(d, 8)
	want := p.packets[i]
	if uint64(offset)+uint64(actual) > uint64(p.Length) || uint64(actual) > uint64(want.Length) {
		return breach(OutsidePlace, "SUBMIT %d, packet %d: %d bytes at offset %d, asked for %d of %d", seq, i, actual, offset, want.Length, p.Length)
	}
	if offset != uint32(want.Offset) || length != uint32(want.Length) {
		j.note(breach(PacketMoved, "SUBMIT %d, packet %d: offset %d, length %d; submitted with %d, %d", seq, i, offset, length, want.Offset, want.Length))
	}
	if int32(word(d, 12)) > 0 {
		j.note(breach(PositiveStatus, "SUBMIT %d, packet %d: %d", seq, i, word(d, 12)))
	}
	return nil
}

// unlinked is vhci_recv_ret_unlink.
func (j *Judge) unlinked(seq uint32, status usb.Status) *Answer {
	victim, known := j.unlinks[seq]
	if !known {
		j.note(breach(UnknownUnlink, "UNLINK %d", seq))
		return nil
	}
	delete(j.unlinks, seq)
	p := j.submits[victim]
	j.consistent(seq, victim, status, p != nil)
	if p == nil {
		return nil
	}
	delete(j.submits, victim)
	return &Answer{Request: p.Submit, Unlinked: true, Status: status}
}

// consistent checks what the driver does not: that the reply to an UNLINK agrees
// with what became of its victim.
func (j *Judge) consistent(seq, victim uint32, status usb.Status, isPending bool) {
	switch {
	case status > 0:
		j.note(breach(PositiveStatus, "UNLINK %d: %d", seq, status))
	case status != usb.OK && status != usb.ECONNRESET:
		j.note(breach(BadUnlinkStatus, "UNLINK %d: %v", seq, status))
	case isPending && status == usb.OK:
		j.note(breach(EarlySuccess, "UNLINK %d of SUBMIT %d", seq, victim))
	case !isPending && status != usb.OK:
		j.note(breach(Contradiction, "UNLINK %d of SUBMIT %d", seq, victim))
	}
}
