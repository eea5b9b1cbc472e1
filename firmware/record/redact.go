package record

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

// Bounds of what a Redactor remembers. When one is passed it forgets all, which
// blanks more than need be.
const (
	maxTags    = 4 * frame.MaxInFlight
	maxControl = 1024
	maxStreams = 32
)

// Redactor blanks what may be secret in the packets of one capture. It is not
// safe for concurrent use.
type Redactor struct {
	configured bool // the host has configured the device: endpoints begin with a transfer
	streams    map[uint8]*stream
	asked      map[uint32]*question
	control    map[uint64]struct{} // control transfers whose answer is open
}

// stream is what is known of one endpoint.
type stream struct {
	rest uint32 // bytes of payload of the last frame that are still to come
	lost bool   // where frames begin is unknown until the transfer ends
}

// question is what is known of a tag whose answers are still to come.
type question struct {
	row     command.Row
	answers int  // to come
	unclear bool // the tag was used twice at a time, or the command is unknown
}

// NewRedactor returns a Redactor for a capture that begins now, perhaps in the
// middle of a transfer.
func NewRedactor() *Redactor {
	return &Redactor{
		streams: map[uint8]*stream{}, asked: map[uint32]*question{}, control: map[uint64]struct{}{},
	}
}

// Redact blanks p in place. It must be called for every packet, in order.
func (r *Redactor) Redact(p *capture.Packet) {
	switch {
	case p.Type == usb.Control:
		r.redactControl(p)
	case p.Type == usb.Isochronous:
		blank(p.Data) // the protocol has none
	default:
		r.redactStream(p)
	}
}

func blank(b []byte) {
	for i := range b {
		b[i] = capture.Blank
	}
}

// redactControl keeps what standard requests and the Microsoft descriptors
// answer, and blanks all other data.
func (r *Redactor) redactControl(p *capture.Packet) {
	if p.Setup != nil {
		r.follow(*p.Setup)
		if opensControl(*p.Setup) {
			if len(r.control) >= maxControl {
				clear(r.control)
			}
			r.control[p.ID] = struct{}{}
		}
	}
	if _, open := r.control[p.ID]; !open {
		blank(p.Data)
	}
	if p.Event != capture.Submission {
		delete(r.control, p.ID)
	}
}

// microsoftIndex is wIndex of the request for the Microsoft OS 2.0 descriptors.
const microsoftIndex = 7

func opensControl(s usb.Setup) bool {
	switch s.RequestType & usb.TypeMask {
	case usb.TypeStandard:
		return s.In()
	case usb.TypeVendor:
		return s.In() && s.RequestType&usb.RecipientMask == usb.RecipientDevice && s.Index == microsoftIndex
	}
	return false
}

// follow notes the requests with which transfers begin anew.
func (r *Redactor) follow(s usb.Setup) {
	switch {
	case s.RequestType == usb.RecipientDevice && s.Request == usb.SetConfiguration,
		s.RequestType == usb.RecipientInterface && s.Request == usb.SetInterface:
		r.configured = true
		clear(r.streams)
	case s.RequestType == usb.RecipientEndpoint && s.Request == usb.ClearFeature && s.Value == usb.FeatureEndpointHalt:
		*r.stream(uint8(s.Index)) = stream{}
	}
}

func (r *Redactor) stream(endpoint uint8) *stream {
	s := r.streams[endpoint]
	if s == nil {
		if len(r.streams) >= maxStreams {
			clear(r.streams)
			r.configured = false
		}
		s = &stream{lost: !r.configured}
		r.streams[endpoint] = s
	}
	return s
}

// packetSize divides every wMaxPacketSize of bulk endpoints: 64, 512, 1,024. A
// URB of another length ends its transfer. One that this divides may end it or
// not; it is taken for one that does not, which blanks more than need be.
const packetSize = 64

// redactStream blanks the data of one URB.
func (r *Redactor) redactStream(p *capture.Packet) {
	s := r.stream(p.Endpoint)
	if p.Event != capture.Submission && p.Status != usb.OK && s.rest > 0 {
		s.lost = true // was all of it moved?
	}
	if p.Event == capture.Submission == p.In() {
		return // no data here
	}
	r.redactData(s, p.Data, p.In())
	if len(p.Data)%packetSize != 0 || len(p.Data) == 0 || p.Flags&usb.ZeroPacket != 0 {
		*s = stream{}
	}
}

// redactData blanks the part of a transfer that one URB holds.
func (r *Redactor) redactData(s *stream, data []byte, in bool) {
	if !s.lost {
		n := min(int(s.rest), len(data))
		blank(data[:n])
		data = data[n:]
		s.rest -= uint32(n)
	}
	for len(data) > 0 {
		h, err := frame.ParseHeader(data)
		if s.lost || err != nil || h.Version != frame.Version {
			s.lost = true
			blank(data)
			return
		}
		data = data[frame.HeaderSize:]
		n := min(int(h.Length), len(data))
		if !r.open(h, data[:n], in) {
			blank(data[:n])
		}
		data = data[n:]
		s.rest = h.Length - uint32(n)
	}
}

// open reports whether the payload of a frame may be seen, and notes what the
// frame tells of its tag.
func (r *Redactor) open(h frame.Header, payload []byte, in bool) bool {
	whole := h.Flags == frame.FlagFirst|frame.FlagLast && int(h.Length) == len(payload) && h.Total == h.Length
	var v any
	switch {
	case h.Type == frame.TypeRequest && !in:
		v = r.ask(h)
	case h.Type == frame.TypeHello && !in:
		clear(r.asked)
		v = new(command.HelloRequest)
	case h.Type == frame.TypeResponse && in:
		v = r.answer(h)
	case h.Type == frame.TypeHello && in && h.Code == uint32(command.StatusOK):
		v = new(command.HelloResponse)
	case h.Type == frame.TypeHello && in:
		v = new(command.ErrorResponse)
	case h.Type == frame.TypeEvent && in:
		v = new(command.Event)
	}
	return v != nil && whole && command.Unmarshal(payload, v) == nil
}

// ask notes a request, and returns what its payload decodes to if that is open.
func (r *Redactor) ask(h frame.Header) any {
	row, known := command.Lookup(command.Code(h.Code))
	if h.Flags&frame.FlagFirst != 0 {
		r.note(h.Tag, question{row: row, unclear: !known})
	}
	if known && row.Open()&command.OpenRequest != 0 && row.Request != nil {
		return row.Request()
	}
	return nil
}

func (r *Redactor) note(tag uint32, q question) {
	if len(r.asked) >= maxTags {
		clear(r.asked)
	}
	if before := r.asked[tag]; before != nil {
		before.unclear = true
		before.answers++
		return
	}
	q.answers = 1
	r.asked[tag] = &q
}

// answer returns what the payload of a response decodes to if that is open.
func (r *Redactor) answer(h frame.Header) any {
	q := r.asked[h.Tag]
	if q != nil && h.Flags&frame.FlagLast != 0 {
		if q.answers--; q.answers <= 0 {
			delete(r.asked, h.Tag)
		}
	}
	switch {
	case h.Code != uint32(command.StatusOK):
		return new(command.ErrorResponse)
	case q != nil && !q.unclear && q.row.Open()&command.OpenResponse != 0 && q.row.Response != nil:
		return q.row.Response()
	}
	return nil
}
