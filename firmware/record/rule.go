package record

import (
	"usbhsm7/firmware/frame"
	"usbhsm7/usbip/replay"
	"usbhsm7/usbip/usb"
)

// Rule is the replay.Rule of the framed protocol. Two things differ from one run
// of a driver to the next: the tags of requests, which begin at random, and what
// a HELLO says of the program that sends it. A Rule lets the host choose its tags
// and answers with those; everything else must be as recorded. Headers have to lie
// whole in a URB, as they do in all that this project's driver sends. A Rule is
// for one replay.
type Rule struct {
	exact replay.Exact
	tags  map[uint32]uint32 // from recorded to sent
	rest  map[uint8]int     // by endpoint: bytes of payload of a frame that goes on in the next URB
}

var _ replay.Rule = (*Rule)(nil)

// NewRule returns a Rule for a recording that is redacted or not.
func NewRule(redacted bool) *Rule {
	return &Rule{
		exact: replay.Exact{Redacted: redacted}, tags: map[uint32]uint32{}, rest: map[uint8]int{},
	}
}

// Out implements replay.Rule.
func (r *Rule) Out(endpoint uint8, recorded, sent []byte) int {
	at := 0
	if endpoint != 0 {
		at = min(r.continued(endpoint, len(recorded)), len(sent))
	}
	if different := r.exact.Out(endpoint, recorded[:at], sent[:at]); different >= 0 {
		return different
	}
	for at < len(recorded) && endpoint != 0 {
		was, err := frame.ParseHeader(recorded[at:])
		if err != nil {
			break
		}
		is, err := frame.ParseHeader(sent[min(at, len(sent)):])
		if err != nil {
			return r.differs(at, recorded, sent)
		}
		if !r.same(was, is) {
			return at + headerDiffers(recorded[at:], sent[at:])
		}
		at += frame.HeaderSize
		if was.Type == frame.TypeHello {
			return -1 // a HELLO is alone in its transfer, and says who sends it
		}
		n := min(int(was.Length), len(recorded)-at)
		if different := r.exact.Out(endpoint, recorded[at:at+n], sent[at:min(at+n, len(sent))]); different >= 0 {
			return at + different
		}
		at += n
		r.rest[endpoint] = int(was.Length) - n
	}
	return r.differs(at, recorded, sent)
}

// continued returns how many bytes of a URB belong to a frame of the one before.
func (r *Rule) continued(endpoint uint8, size int) int {
	n := min(r.rest[endpoint], size)
	r.rest[endpoint] -= n
	return n
}

// differs compares what is not in frames, from at on.
func (r *Rule) differs(at int, recorded, sent []byte) int {
	if different := r.exact.Out(0, recorded[at:], sent[min(at, len(sent)):]); different >= 0 {
		return at + different
	}
	return -1
}

// same reports whether two headers mean the same, and notes the tag.
func (r *Rule) same(was, is frame.Header) bool {
	tag, known := r.tags[was.Tag]
	begins := was.Flags&frame.FlagFirst != 0 && was.Type != frame.TypeCancel
	if known && !begins && tag != is.Tag {
		return false
	}
	r.tags[was.Tag] = is.Tag
	if was.Type == frame.TypeHello {
		is.Length, is.Total = was.Length, was.Total
	}
	is.Tag = was.Tag
	return was == is
}

// headerDiffers returns the first byte of a header that must not differ.
func headerDiffers(recorded, sent []byte) int {
	const tagAt, tagEnd, checkAt = 8, 12, 28
	for i := range checkAt {
		if inTag := i >= tagAt && i < tagEnd; recorded[i] != sent[i] && !inTag {
			return i
		}
	}
	return tagAt
}

// In implements replay.Rule: it puts the host's tags into the answers.
func (r *Rule) In(endpoint uint8, recorded []byte) []byte {
	if endpoint&usb.DirIn == 0 {
		return recorded
	}
	answer := append([]byte(nil), recorded...)
	at := r.continued(endpoint, len(answer))
	for at < len(answer) {
		h, err := frame.ParseHeader(answer[at:])
		if err != nil {
			break
		}
		if tag, known := r.tags[h.Tag]; known {
			h.Tag = tag
			h.Append(answer[at:at])
		}
		at += frame.HeaderSize
		n := min(int(h.Length), len(answer)-at)
		at += n
		r.rest[endpoint] = int(h.Length) - n
	}
	return answer
}
