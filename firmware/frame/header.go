package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Magic is the first field of a header: "HSM7" as bytes.
const Magic uint32 = 'H' | 'S'<<8 | 'M'<<16 | '7'<<24

// Type says what a frame carries.
type Type uint8

// The types of frames. A host sends REQUEST, CANCEL and HELLO; a device sends
// RESPONSE, EVENT and the answer to HELLO.
const (
	TypeRequest  Type = 1 // a command; code is its number
	TypeResponse Type = 2 // the answer to a request; code is the status
	TypeCancel   Type = 3 // the host no longer wants the request with this tag; no payload
	TypeEvent    Type = 4 // unsolicited, on the interrupt endpoint; code is the event
	TypeHello    Type = 5 // opens the link; in the answer code is the status
)

var typeNames = [...]string{"", "REQUEST", "RESPONSE", "CANCEL", "EVENT", "HELLO"}

// String returns the name used in docs/protocol.md.
func (t Type) String() string {
	if t.known() {
		return typeNames[t]
	}
	return fmt.Sprintf("frame type %d", uint8(t))
}

func (t Type) known() bool { return t >= TypeRequest && t <= TypeHello }

// fragments reports whether a message of type t may span several frames.
func (t Type) fragments() bool { return t == TypeRequest || t == TypeResponse }

// Flags are the flag bits of a header. Bits without a name are zero.
type Flags uint16

// A frame that is both first and last is a whole message.
const (
	FlagFirst Flags = 1 << 0
	FlagLast  Flags = 1 << 1

	whole = FlagFirst | FlagLast
)

// Header is the fixed start of every frame, HeaderSize bytes on the wire.
// Magic and check are not fields: Append writes them and ParseHeader verifies
// them.
type Header struct {
	Version uint8
	Type    Type
	Flags   Flags
	Tag     uint32 // names a request; chosen by the host, 0 where no request is meant
	Session uint32 // session handle, 0 for none
	Code    uint32 // command, status or event: see Type
	Length  uint32 // bytes of payload in this frame
	Total   uint32 // bytes of payload in the whole message
}

// Why bytes are not a header.
var (
	ErrShort = errors.New("fewer bytes than a frame header")
	ErrMagic = errors.New("no frame magic")
	ErrCheck = errors.New("frame header check failed")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkOffset is where the check stands; it covers all bytes before.
const checkOffset = HeaderSize - 4

// Append appends the HeaderSize bytes of h to dst.
func (h Header) Append(dst []byte) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, Magic)
	dst = append(dst, h.Version, uint8(h.Type))
	dst = le.AppendUint16(dst, uint16(h.Flags))
	dst = le.AppendUint32(dst, h.Tag)
	dst = le.AppendUint32(dst, h.Session)
	dst = le.AppendUint32(dst, h.Code)
	dst = le.AppendUint32(dst, h.Length)
	dst = le.AppendUint32(dst, h.Total)
	return le.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// ParseHeader reads the header at the start of p. The error is ErrShort,
// ErrMagic or ErrCheck. A header that passes is one that somebody wrote, not
// necessarily one that makes sense: the Assembler judges its fields.
func ParseHeader(p []byte) (Header, error) {
	if len(p) < HeaderSize {
		return Header{}, ErrShort
	}
	le := binary.LittleEndian
	if le.Uint32(p) != Magic {
		return Header{}, ErrMagic
	}
	if le.Uint32(p[checkOffset:]) != crc32.Checksum(p[:checkOffset], castagnoli) {
		return Header{}, ErrCheck
	}
	return Header{
		Version: p[4],
		Type:    Type(p[5]),
		Flags:   Flags(le.Uint16(p[6:])),
		Tag:     le.Uint32(p[8:]),
		Session: le.Uint32(p[12:]),
		Code:    le.Uint32(p[16:]),
		Length:  le.Uint32(p[20:]),
		Total:   le.Uint32(p[24:]),
	}, nil
}

// flaw judges the fields of a header on their own. A status of 0 means that
// the frame may be taken.
func (h Header) flaw() (status uint32, cause string) {
	switch {
	case h.Version != Version:
		return StatusIncompatible, "frame of another protocol version"
	case !h.Type.known():
		return StatusCommandMalformed, "unknown frame type"
	case h.Flags&^whole != 0:
		return StatusCommandMalformed, "unknown frame flags"
	case !h.Type.fragments() && h.Flags != whole:
		return StatusCommandMalformed, "this type of frame cannot be a fragment"
	case h.Type == TypeCancel && h.Total != 0:
		return StatusCommandMalformed, "CANCEL takes no payload"
	case h.Tag == 0 && h.Type != TypeResponse && h.Type != TypeEvent:
		return StatusCommandMalformed, "this type of frame needs a tag"
	case h.Tag != 0 && h.Type == TypeEvent:
		return StatusCommandMalformed, "an event has no tag"
	case h.Total > MaxMessage:
		return StatusDataLenRange, "message longer than 16 MiB"
	case h.Flags == whole && h.Length != h.Total:
		return StatusTransmissionError, "frame length and message length disagree"
	}
	return 0, ""
}
