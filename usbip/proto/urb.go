package proto

import (
	"encoding/binary"
	"fmt"

	"usbhsm7/usbip/usb"
)

// HeaderSize is the size of the header of every message about URBs, in bytes.
const HeaderSize = 48

// Header is the header of a message, not yet decoded.
type Header [HeaderSize]byte

// Command is the first field of a header.
type Command uint32

// Commands.
const (
	CmdSubmit Command = 1
	CmdUnlink Command = 2
	RetSubmit Command = 3
	RetUnlink Command = 4
)

// Command returns the command in h, which may be unknown.
func (h *Header) Command() Command { return Command(h.word(0)) }

// Seq returns the sequence number in h.
func (h *Header) Seq() uint32 { return h.word(4) }

func (h *Header) word(at int) uint32  { return binary.BigEndian.Uint32(h[at:]) }
func (h *Header) signed(at int) int32 { return int32(h.word(at)) }

// Submit asks the server to carry out a URB.
type Submit struct {
	Seq        uint32 // chosen by the client, unique among its pending URBs
	DevID      uint32 // Device.DevID
	In         bool   // direction of the pipe; of the control pipe that of the data stage
	Endpoint   uint32 // number without direction; only 0 to 15 can exist
	Flags      usb.TransferFlags
	Length     int32     // of the buffer in bytes, 0 to MaxTransfer
	StartFrame int32     // isochronous only
	Packets    int32     // isochronous: 1 to MaxIsoPackets; otherwise 0, or -1 from Windows
	Interval   int32     // periodic endpoints: usb.URB.Interval
	Setup      usb.Setup // control only
}

// Iso reports whether packet descriptors follow: the number of packets says so,
// and nothing else, so that both sides agree whatever they know of the endpoint.
// Hosts set it above 0 for isochronous URBs only; some leave a number in those of
// the control pipe, which is never isochronous.
func (s *Submit) Iso() bool { return s.Packets > 0 && s.Endpoint != 0 }

// Payload returns how many bytes follow the header: the data of an OUT URB and
// the descriptors of isochronous packets.
func (s *Submit) Payload() int {
	n := 0
	if !s.In {
		n = int(s.Length)
	}
	if s.Iso() {
		n += int(s.Packets) * IsoPacketSize
	}
	return n
}

// Address returns the endpoint address with the direction in bit 7. It makes
// sense for endpoints up to 15.
func (s *Submit) Address() uint8 {
	address := uint8(s.Endpoint) & 0x0f
	if s.In {
		address |= usb.DirIn
	}
	return address
}

// Append appends the header of s.
func (s *Submit) Append(b []byte) []byte {
	direction := uint32(0)
	if s.In {
		direction = 1
	}
	setup := s.Setup.Bytes()
	b = appendWords(b, uint32(CmdSubmit), s.Seq, s.DevID, direction, s.Endpoint,
		uint32(s.Flags), uint32(s.Length), uint32(s.StartFrame), uint32(s.Packets), uint32(s.Interval))
	return append(b, setup[:]...)
}

// ParseSubmit decodes the header of a Submit. The error wraps ErrMalformed if a
// length or the direction makes it impossible to follow the stream.
func ParseSubmit(h *Header) (Submit, error) {
	s := Submit{
		Seq: h.Seq(), DevID: h.word(8), In: h.word(12) == 1, Endpoint: h.word(16),
		Flags: usb.TransferFlags(h.word(20)), Length: h.signed(24), StartFrame: h.signed(28),
		Packets: h.signed(32), Interval: h.signed(36), Setup: usb.ParseSetup([8]byte(h[40:])),
	}
	switch {
	case h.Command() != CmdSubmit:
		return Submit{}, malformed("command %d where a SUBMIT is due", h.Command())
	case h.word(12) > 1:
		return Submit{}, malformed("SUBMIT with direction %d", h.word(12))
	case s.Length < 0 || s.Length > MaxTransfer:
		return Submit{}, malformed("SUBMIT of %d bytes, limit %d", s.Length, MaxTransfer)
	case s.Packets < -1 || s.Packets > MaxIsoPackets:
		return Submit{}, malformed("SUBMIT of %d isochronous packets, limit %d", s.Packets, MaxIsoPackets)
	}
	return s, nil
}

// Unlink asks the server to cancel a URB. It may overtake the SUBMIT of its
// victim.
type Unlink struct {
	Seq    uint32 // of this message, out of the same numbers as those of URBs
	DevID  uint32
	Victim uint32 // Seq of the URB
}

// Append appends the header of u.
func (u *Unlink) Append(b []byte) []byte {
	return appendWords(b, uint32(CmdUnlink), u.Seq, u.DevID, 0, 0, u.Victim, 0, 0, 0, 0, 0, 0)
}

// ParseUnlink decodes an Unlink.
func ParseUnlink(h *Header) (Unlink, error) {
	if h.Command() != CmdUnlink {
		return Unlink{}, malformed("command %d where an UNLINK is due", h.Command())
	}
	return Unlink{Seq: h.Seq(), DevID: h.word(8), Victim: h.word(20)}, nil
}

// SubmitReply is the result of a URB. Only the Submit tells which values are
// right, and how much follows the header.
type SubmitReply struct {
	Seq        uint32
	Status     usb.Status // 0 or negative; some servers say 1 for failure
	Actual     int32      // bytes transferred, 0 to the length asked for
	StartFrame int32      // isochronous only
	Packets    int32      // isochronous: as many as asked for; otherwise of no meaning
	Errors     int32      // isochronous packets that failed
}

// Append appends the header of r.
func (r *SubmitReply) Append(b []byte) []byte {
	return appendWords(b, uint32(RetSubmit), r.Seq, 0, 0, 0,
		uint32(r.Status), uint32(r.Actual), uint32(r.StartFrame), uint32(r.Packets), uint32(r.Errors), 0, 0)
}

// ParseSubmitReply decodes the header of a SubmitReply. A negative length is
// refused; Actual and Packets must still be compared with what was asked for.
func ParseSubmitReply(h *Header) (SubmitReply, error) {
	r := SubmitReply{
		Seq: h.Seq(), Status: usb.Status(h.signed(20)), Actual: h.signed(24),
		StartFrame: h.signed(28), Packets: h.signed(32), Errors: h.signed(36),
	}
	switch {
	case h.Command() != RetSubmit:
		return SubmitReply{}, malformed("command %d where a reply to SUBMIT is due", h.Command())
	case r.Actual < 0:
		return SubmitReply{}, malformed("reply to SUBMIT with %d bytes", r.Actual)
	}
	return r, nil
}

// UnlinkReply answers an Unlink: ECONNRESET if the URB was cancelled, and then
// it has no SubmitReply; 0 if it had already finished.
type UnlinkReply struct {
	Seq    uint32 // of the Unlink
	Status usb.Status
}

// Append appends r.
func (r *UnlinkReply) Append(b []byte) []byte {
	return appendWords(b, uint32(RetUnlink), r.Seq, 0, 0, 0, uint32(r.Status), 0, 0, 0, 0, 0, 0)
}

// ParseUnlinkReply decodes an UnlinkReply.
func ParseUnlinkReply(h *Header) (UnlinkReply, error) {
	r := UnlinkReply{Seq: h.Seq(), Status: usb.Status(h.signed(20))}
	if h.Command() != RetUnlink {
		return UnlinkReply{}, malformed("command %d where a reply to UNLINK is due", h.Command())
	}
	return r, nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func appendWords(b []byte, words ...uint32) []byte {
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}
