package oracle

import (
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// The sizes of the two halves of the handshake for an import.
const (
	openingSize  = proto.OpSize + proto.BusIDSize
	importedSize = proto.OpSize + proto.DeviceSize
)

// splitter cuts what a host sends into messages.
type splitter struct {
	opening int    // bytes of the handshake still to come
	rest    []byte // the beginning of a message
}

func newSplitter() splitter { return splitter{opening: openingSize} }

// push takes more of the stream and returns the messages that it completes, and
// before them what belongs to the handshake. Hosts are trusted: a message that
// cannot be parsed is passed on as it came, and with it all that follows.
func (s *splitter) push(p []byte) (opening []byte, messages [][]byte) {
	n := min(s.opening, len(p))
	opening, s.opening = p[:n], s.opening-n
	s.rest = append(s.rest, p[n:]...)
	for len(s.rest) >= proto.HeaderSize {
		n := requestSize(s.rest)
		if n > len(s.rest) {
			break
		}
		messages = append(messages, s.rest[:n:n])
		s.rest = s.rest[n:]
	}
	return opening, messages
}

// requestSize returns the size of the message of a host that begins with b.
func requestSize(b []byte) int {
	s, err := proto.ParseSubmit((*proto.Header)(b))
	if err != nil {
		return proto.HeaderSize
	}
	return proto.HeaderSize + s.Payload()
}

// Request notes a whole message of the host.
func (j *Judge) Request(message []byte) {
	h := (*proto.Header)(message)
	if u, err := proto.ParseUnlink(h); err == nil {
		j.Unlink(u)
		return
	}
	s, err := proto.ParseSubmit(h)
	if err != nil {
		return
	}
	var packets []usb.IsoPacket
	if s.Iso() {
		packets = make([]usb.IsoPacket, s.Packets)
		_ = proto.ParseIsoPackets(message[len(message)-16*len(packets):], packets, int(s.Length))
	}
	j.Submit(s, packets)
}

// Replies takes more of what the server sends after the handshake and returns
// the answers that it completes. The error is the Breach at which the driver
// stops; what comes behind it is not looked at.
func (j *Judge) Replies(p []byte) ([]Answer, error) {
	var answers []Answer
	if j.fault == nil {
		j.rest = append(j.rest, p...)
	}
	for j.fault == nil && len(j.rest) >= proto.HeaderSize {
		h := (*proto.Header)(j.rest)
		n, fault := j.payload(h)
		if fault == nil && len(j.rest) < proto.HeaderSize+n {
			break
		}
		var answer *Answer
		if fault == nil {
			answer, fault = j.receive(h, j.rest[proto.HeaderSize:proto.HeaderSize+n])
			j.rest = j.rest[proto.HeaderSize+n:]
		}
		if answer != nil {
			answers = append(answers, *answer)
		}
		j.stop(fault)
	}
	if j.fault != nil {
		return answers, j.fault
	}
	return answers, nil
}

// stop notes what ends the driver's use of the connection.
func (j *Judge) stop(fault *Breach) {
	if fault != nil {
		j.fault = fault
		j.note(fault)
	}
}

// End notes the end of the server's stream, which may be in a message.
func (j *Judge) End() {
	if j.fault == nil && len(j.rest) > 0 {
		j.stop(breach(BrokenOff, "after %d bytes", len(j.rest)))
	}
}
