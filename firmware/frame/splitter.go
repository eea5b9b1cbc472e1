package frame

// Message is one message, whole.
type Message struct {
	Type    Type
	Tag     uint32
	Session uint32
	Code    uint32
	Payload []byte // at most MaxMessage bytes
	Joined  bool   // from an Assembler: the payload came in several frames, see Sink
}

// minRoom is the least room into which a message is cut: one packet at high
// speed. Less would send more header than payload.
const minRoom = 512

// Splitter cuts one message into frames. It keeps the payload, without
// copying it, until the last frame is made.
type Splitter struct {
	header Header
	rest   []byte
	begun  bool
}

// NewSplitter returns a Splitter for m, whose payload must not be longer than
// MaxMessage (a receiver refuses it) nor change until the last frame is made.
func NewSplitter(m Message) *Splitter {
	return &Splitter{
		header: Header{
			Version: Version, Type: m.Type, Tag: m.Tag, Session: m.Session, Code: m.Code,
			Total: uint32(len(m.Payload)),
		},
		rest: m.Payload,
	}
}

// AppendFrame appends the next frame to dst if room, the bytes left in the
// transfer, suffices, and reports whether it was the message's last. A frame
// is cut short only to fill at least 512 bytes; when there is room neither for
// that nor for the rest of the message, dst comes back as it was and the
// caller starts a new transfer. It must not be called again after the last.
func (s *Splitter) AppendFrame(dst []byte, room int) (out []byte, done bool) {
	n := len(s.rest)
	if room < HeaderSize+n {
		if room < minRoom {
			return dst, false
		}
		n = room - HeaderSize
	}
	h := s.header
	if !s.begun {
		h.Flags |= FlagFirst
	}
	if done = n == len(s.rest); done {
		h.Flags |= FlagLast
	}
	h.Length = uint32(n)
	dst = append(h.Append(dst), s.rest[:n]...)
	s.rest, s.begun = s.rest[n:], true
	return dst, done
}
