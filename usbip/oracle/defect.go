package oracle

import (
	"encoding/binary"
	"slices"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// Defect is a fault that USB/IP servers are known to have. It is committed by a
// connection in front of a sound server, so that no server carries it.
type Defect struct {
	Name string

	// rewrite returns what the host gets in place of a message. Nil swallows it.
	rewrite func(m *message) [][]byte
}

// message is a message of a sound server, with what it is about.
type message struct {
	bytes    []byte
	submit   *pending // of the URB that it ends, or nil
	isUnlink bool     // the reply to an UNLINK
	victim   uint32   // of that UNLINK
	early    bool     // that UNLINK came before the SUBMIT of its victim
	asked    bool     // an UNLINK asks for the URB that it ends
	held     *[]byte  // for a message that is to come later
}

func (m *message) seq() uint32        { return word(m.bytes, 4) }
func (m *message) status() usb.Status { return usb.Status(signed(m.bytes, 20)) }
func (m *message) actual() int        { return int(signed(m.bytes, 24)) }

// sound returns m as it came.
func (m *message) sound() [][]byte { return [][]byte{m.bytes} }

// isReply reports whether m is the reply of an IN or an OUT URB with data.
func (m *message) isReply(in bool) bool {
	return !m.isUnlink && m.submit.In == in && m.actual() > 0 && !m.submit.Iso()
}

// isIso reports whether m is the reply of an isochronous URB that moved data in
// its last packet.
func (m *message) isIso() bool {
	return !m.isUnlink && m.submit.Iso() && word(m.bytes, len(m.bytes)-8) > 0
}

// with returns m with one word changed.
func (m *message) with(at int, value uint32) []byte {
	b := slices.Clone(m.bytes)
	binary.BigEndian.PutUint32(b[at:], value)
	return b
}

func (m *message) withStatus(s usb.Status) []byte { return m.with(20, uint32(s)) }

func submitReply(seq uint32, status usb.Status) []byte {
	return (&proto.SubmitReply{Seq: seq, Status: status}).Append(nil)
}

// later returns what m says, held back until the next message.
func (m *message) later(hold bool) [][]byte {
	list := [][]byte{m.bytes}
	if *m.held != nil {
		list, *m.held = append(list, *m.held), nil
	} else if hold {
		list, *m.held = nil, m.bytes
	}
	return list
}

// Defects returns the registry: what was found in other servers, and what any
// test of a server should notice.
func Defects() []Defect {
	return []Defect{
		{"early UNLINK is answered at once", func(m *message) [][]byte {
			if !m.early || m.status() != usb.ECONNRESET {
				return m.sound()
			}
			return [][]byte{m.withStatus(usb.OK), submitReply(m.victim, usb.OK)}
		}},
		{"reply after the UNLINK that cancelled", func(m *message) [][]byte {
			if !m.isUnlink || m.status() != usb.ECONNRESET {
				return m.sound()
			}
			return [][]byte{m.bytes, submitReply(m.victim, usb.ECONNRESET)}
		}},
		{"UNLINK is answered before the reply", func(m *message) [][]byte {
			return m.later(!m.isUnlink && m.asked)
		}},
		{"UNLINK is answered with the victim's number", func(m *message) [][]byte {
			if !m.isUnlink {
				return m.sound()
			}
			return [][]byte{m.with(4, m.victim)}
		}},
		{"UNLINK has no answer", func(m *message) [][]byte {
			if m.isUnlink && m.status() == usb.OK {
				return nil
			}
			return m.sound()
		}},
		{"UNLINK always cancels", func(m *message) [][]byte {
			if !m.isUnlink {
				return m.sound()
			}
			return [][]byte{m.withStatus(usb.ECONNRESET)}
		}},
		{"UNLINK never cancels", func(m *message) [][]byte {
			if !m.isUnlink {
				return m.sound()
			}
			return [][]byte{m.withStatus(usb.OK)}
		}},
		{"OUT reply with payload", func(m *message) [][]byte {
			if !m.isReply(false) {
				return m.sound()
			}
			return [][]byte{append(slices.Clone(m.bytes), make([]byte, max(m.actual(), proto.HeaderSize))...)}
		}},
		{"more data than asked for", func(m *message) [][]byte {
			if !m.isReply(true) {
				return m.sound()
			}
			return [][]byte{append(m.with(24, uint32(m.submit.Length+1)), make([]byte, int(m.submit.Length)+1-m.actual())...)}
		}},
		{"negative length", func(m *message) [][]byte {
			if !m.isReply(false) {
				return m.sound()
			}
			return [][]byte{m.with(24, 0xffffffff)}
		}},
		{"positive status", func(m *message) [][]byte {
			if m.isUnlink || m.status() == usb.OK {
				return m.sound()
			}
			return [][]byte{m.withStatus(1)}
		}},
		{"short transfers are padded", func(m *message) [][]byte {
			if !m.isReply(true) || m.actual() == int(m.submit.Length) {
				return m.sound()
			}
			return [][]byte{append(m.with(24, uint32(m.submit.Length)), make([]byte, int(m.submit.Length)-m.actual())...)}
		}},
		{"last word is lost", func(m *message) [][]byte {
			if !m.isReply(true) {
				return m.sound()
			}
			return [][]byte{m.with(24, uint32(m.actual()-4))[:len(m.bytes)-4]}
		}},
		{"data is not what the device sent", func(m *message) [][]byte {
			if !m.isReply(true) {
				return m.sound()
			}
			b := slices.Clone(m.bytes)
			b[len(b)-1]++
			return [][]byte{b}
		}},
		{"OUT length is always 0", func(m *message) [][]byte {
			if !m.isReply(false) {
				return m.sound()
			}
			return [][]byte{m.with(24, 0)}
		}},
		{"stalls are successes", func(m *message) [][]byte {
			if m.isUnlink || m.status() != usb.EPIPE {
				return m.sound()
			}
			return [][]byte{m.withStatus(usb.OK)}
		}},
		{"completion is lost", func(m *message) [][]byte {
			if m.isReply(true) && !m.asked {
				return nil
			}
			return m.sound()
		}},
		{"completion comes twice", func(m *message) [][]byte {
			if m.isUnlink {
				return m.sound()
			}
			return [][]byte{m.bytes, m.bytes}
		}},
		{"isochronous packets do not add up", func(m *message) [][]byte {
			if !m.isIso() {
				return m.sound()
			}
			return [][]byte{m.with(len(m.bytes)-8, word(m.bytes, len(m.bytes)-8)-1)} // of the last packet
		}},
		{"isochronous packets are forgotten", func(m *message) [][]byte {
			if !m.isIso() {
				return m.sound()
			}
			return [][]byte{submitReply(m.seq(), usb.OK)}
		}},
		{"isochronous data keeps its gaps", func(m *message) [][]byte {
			if !m.isIso() || !m.submit.In {
				return m.sound()
			}
			descriptors := m.bytes[len(m.bytes)-16*len(m.submit.packets):]
			spread := append(m.with(24, uint32(m.submit.Length))[:proto.HeaderSize], make([]byte, m.submit.Length)...)
			return [][]byte{append(spread, descriptors...)}
		}},
		{"endpoints overtake each other", func(m *message) [][]byte {
			return m.later(!m.isUnlink && !m.asked && m.submit.Endpoint == 1)
		}},
	}
}
