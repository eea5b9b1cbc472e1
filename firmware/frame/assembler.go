package frame

import "bytes"

// Fault is one defect in what the peer sent. A device answers it with one
// response that carries Tag and Status (for a HELLO with a HELLO).
type Fault struct {
	Tag    uint32 // of the request that is lost; 0 if none can be named
	Type   Type   // of the frame at fault; 0 for bytes that are no frame
	Status uint32 // one of the statuses of this package
	Cause  string // for people, in English
}

// Sink receives what an Assembler finds, in the order of the wire. It is
// called within Feed and may call Reset.
type Sink interface {
	// Message receives one whole message. A payload that came in a single
	// frame lies in the transfer given to Feed and is good only as long as
	// that is; a payload joined from fragments, as Joined says, belongs to the
	// sink.
	Message(Message)

	// Fault receives one defect.
	Fault(Fault)
}

// Assembler turns the transfers of one direction of a link into messages. The
// zero value is ready for use. It is not safe for concurrent use.
//
// What it holds is bounded: at most MaxInFlight unfinished messages whose
// totals add up to at most MaxUnfinished, and memory only for bytes that came.
type Assembler struct {
	// Buffers is where payloads that are joined from fragments have their memory
	// from; nil is as good. The sink may give it back.
	Buffers *Buffers

	open       map[uint32]*partial // messages begun and not ended, by tag
	unfinished int                 // sum of the totals of open, bytes

	// refused holds the tags of messages that were refused while fragments of
	// them may still come, so that those are dropped without another fault.
	// When it is full it is emptied: the price is a second fault.
	refused map[uint32]struct{}
}

// partial is a message of which some fragments have come.
type partial struct {
	head Header // of its first frame
	data []byte
}

var magicBytes = []byte("HSM7")

// Feed takes one transfer apart. Bytes that are no frame are skipped up to the
// next valid header; a whole run of them is one fault. So is a frame that is
// longer than what is left of its transfer, and the search goes on behind its
// header.
func (a *Assembler) Feed(transfer []byte, sink Sink) {
	skipping := false // the bytes at hand belong to a fault already reported
	for len(transfer) > 0 {
		h, err := ParseHeader(transfer)
		if err != nil {
			if !skipping {
				sink.Fault(Fault{Status: StatusCommandMalformed, Cause: err.Error()})
			}
			skipping, transfer = true, nextMagic(transfer)
			continue
		}
		transfer = transfer[HeaderSize:]
		if skipping = uint64(h.Length) > uint64(len(transfer)); skipping {
			a.refuse(h, StatusTransmissionError, "frame longer than its transfer", sink)
			continue
		}
		a.take(h, transfer[:h.Length:h.Length], sink)
		transfer = transfer[h.Length:]
	}
}

// nextMagic returns what follows the first byte of p, from the next magic on.
func nextMagic(p []byte) []byte {
	i := bytes.Index(p[1:], magicBytes)
	if i < 0 {
		return nil
	}
	return p[1+i:]
}

// Reset forgets every unfinished message.
func (a *Assembler) Reset() {
	for tag := range a.open {
		a.drop(tag)
	}
	clear(a.refused)
	a.unfinished = 0
}

// take handles one frame that lies whole in its transfer.
func (a *Assembler) take(h Header, payload []byte, sink Sink) {
	if status, cause := h.flaw(); status != 0 {
		a.refuse(h, status, cause, sink)
		return
	}
	switch h.Type {
	case TypeRequest, TypeResponse:
		a.part(h, payload, sink)
		return
	case TypeHello:
		a.Reset() // whatever was under way is void
	case TypeCancel:
		delete(a.refused, h.Tag) // its sender stops sending it
		if a.drop(h.Tag) {
			sink.Fault(Fault{h.Tag, TypeRequest, StatusFunctionCanceled, "cancelled before it was complete"})
			return
		}
	}
	sink.Message(h.message(payload))
}

// part handles a frame of a message that may have several.
func (a *Assembler) part(h Header, payload []byte, sink Sink) {
	p := a.open[h.Tag]
	switch {
	case p == nil && h.Flags == whole:
		delete(a.refused, h.Tag)
		sink.Message(h.message(payload))
		return
	case p == nil && h.Flags&FlagFirst == 0:
		a.refuse(h, StatusTransmissionError, "fragment of a message that was not begun", sink)
		return
	case p == nil:
		if p = a.begin(h); p == nil {
			a.refuse(h, StatusMailboxesNotAvailable, "too many unfinished messages", sink)
			return
		}
	case h.Flags&FlagFirst != 0:
		a.refuse(h, StatusOperationActive, "tag of an unfinished message", sink)
		return
	}
	if !p.fits(h) {
		a.refuse(h, StatusTransmissionError, "fragment does not fit its message", sink)
		return
	}
	p.append(payload, a.Buffers)
	if h.Flags&FlagLast != 0 {
		a.close(h.Tag)
		m := h.message(p.data)
		m.Joined = true
		sink.Message(m)
	}
}

// begin opens the message of h, or returns nil if that would pass a limit.
func (a *Assembler) begin(h Header) *partial {
	if len(a.open) >= MaxInFlight || a.unfinished+int(h.Total) > MaxUnfinished {
		return nil
	}
	if a.open == nil {
		a.open = make(map[uint32]*partial)
	}
	p := &partial{head: h}
	a.open[h.Tag] = p
	a.unfinished += int(h.Total)
	delete(a.refused, h.Tag)
	return p
}

// close takes the message with tag off the books, if there is one.
func (a *Assembler) close(tag uint32) *partial {
	p := a.open[tag]
	if p != nil {
		a.unfinished -= int(p.head.Total)
		delete(a.open, tag)
	}
	return p
}

// drop forgets the unfinished message with tag and reports whether there was one.
func (a *Assembler) drop(tag uint32) bool {
	p := a.close(tag)
	if p != nil {
		a.Buffers.Put(p.data)
	}
	return p != nil
}

// refuse reports a frame that cannot be taken. The message it belongs to is
// lost; fragments of it that follow are dropped without another fault.
func (a *Assembler) refuse(h Header, status uint32, cause string, sink Sink) {
	if h.Type == TypeCancel { // not itself a request: the one it names goes on
		sink.Fault(Fault{0, h.Type, status, cause})
		return
	}
	a.drop(h.Tag)
	_, reported := a.refused[h.Tag]
	delete(a.refused, h.Tag)
	if h.Flags&FlagLast == 0 {
		a.expectMore(h.Tag)
	}
	if !reported || h.Flags&FlagFirst != 0 {
		sink.Fault(Fault{h.Tag, h.Type, status, cause})
	}
}

// expectMore notes that fragments of the refused message with tag may come.
func (a *Assembler) expectMore(tag uint32) {
	if a.refused == nil {
		a.refused = make(map[uint32]struct{})
	}
	if len(a.refused) >= MaxInFlight {
		clear(a.refused)
	}
	a.refused[tag] = struct{}{}
}

// message returns the message of h with its whole payload.
func (h Header) message(payload []byte) Message {
	return Message{Type: h.Type, Tag: h.Tag, Session: h.Session, Code: h.Code, Payload: payload}
}

// fits reports whether the frame with header h may come next.
func (p *partial) fits(h Header) bool {
	if h.Type != p.head.Type || h.Session != p.head.Session || h.Code != p.head.Code || h.Total != p.head.Total {
		return false
	}
	n := len(p.data) + int(h.Length)
	return n == int(h.Total) || n < int(h.Total) && h.Flags&FlagLast == 0
}

// append adds a fragment. The buffer has room for as much again as has come, and
// never for more than the total, so a total that is only announced costs nothing
// and a message of two full frames is not moved.
func (p *partial) append(payload []byte, from *Buffers) {
	need := len(p.data) + len(payload)
	if need > cap(p.data) {
		grown := append(from.Get(min(2*need, int(p.head.Total)))[:0], p.data...)
		from.Put(p.data)
		p.data = grown
	}
	p.data = append(p.data, payload...)
}
