package frame_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/frame"
)

// recorder keeps what an Assembler reports. It copies payloads, which may lie
// in the transfer.
type recorder struct {
	messages []frame.Message
	faults   []frame.Fault
}

func (r *recorder) Message(m frame.Message) {
	m.Payload = bytes.Clone(m.Payload)
	r.messages = append(r.messages, m)
}

func (r *recorder) Fault(f frame.Fault) { r.faults = append(r.faults, f) }

// drawMessages draws requests with different tags, small ones and ones that
// need several frames.
func drawMessages(t *rapid.T) []frame.Message {
	n := rapid.IntRange(1, 12).Draw(t, "messages")
	tags := rapid.SliceOfNDistinct(rapid.Uint32Min(1), n, n, rapid.ID[uint32]).Draw(t, "tags")
	messages := make([]frame.Message, n)
	for i, tag := range tags {
		size := rapid.OneOf(rapid.IntRange(0, 600), rapid.IntRange(0, 200_000)).Draw(t, "size")
		fill := rapid.Byte().Draw(t, "fill")
		payload := make([]byte, size)
		for j := range payload {
			payload[j] = fill + byte(j*7>>3)
		}
		messages[i] = frame.Message{
			Type: frame.TypeRequest, Tag: tag, Payload: payload,
			Session: rapid.Uint32().Draw(t, "session"), Code: rapid.Uint32().Draw(t, "code"),
		}
	}
	return messages
}

// pack cuts messages into transfers, with the frames of different messages
// interleaved and the transfers filled as chance has it. Before each frame,
// noise may add bytes to the transfer.
func pack(t *rapid.T, messages []frame.Message, noise func([]byte) []byte) (transfers [][]byte) {
	active := make([]*frame.Splitter, len(messages))
	for i, m := range messages {
		active[i] = frame.NewSplitter(m)
	}
	var transfer []byte
	flush := func() {
		transfers = append(transfers, transfer)
		transfer = nil
	}
	for len(active) > 0 {
		limit := rapid.SampledFrom([]int{512, 2048, frame.MaxTransfer}).Draw(t, "limit")
		i := rapid.IntRange(0, len(active)-1).Draw(t, "next")
		if len(transfer) > 0 && (len(transfer) >= limit || rapid.IntRange(0, 3).Draw(t, "cut") == 0) {
			flush()
		}
		transfer = noise(transfer)
		before := len(transfer)
		var done bool
		transfer, done = active[i].AppendFrame(transfer, max(limit, before+512)-before)
		if done {
			active = slices.Delete(active, i, i+1)
		}
	}
	flush()
	return transfers
}

func quiet(p []byte) []byte { return p }

func sortByTag(messages []frame.Message) {
	slices.SortFunc(messages, func(a, b frame.Message) int { return int(int64(a.Tag) - int64(b.Tag)) })
}

func requireSame(t *rapid.T, want, got []frame.Message) {
	sortByTag(want)
	sortByTag(got)
	if len(want) != len(got) {
		t.Fatalf("sent %d messages, received %d", len(want), len(got))
	}
	for i := range want {
		w, g := want[i], got[i]
		if w.Type != g.Type || w.Tag != g.Tag || w.Session != g.Session || w.Code != g.Code || !bytes.Equal(w.Payload, g.Payload) {
			t.Fatalf("message with tag %d changed on its way", w.Tag)
		}
	}
}

func TestWhatIsSplitIsAssembled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := drawMessages(t)
		var got recorder
		var a frame.Assembler
		for _, transfer := range pack(t, messages, quiet) {
			a.Feed(transfer, &got)
		}
		if len(got.faults) != 0 {
			t.Fatalf("fault in good frames: %+v", got.faults[0])
		}
		requireSame(t, messages, got.messages)
	})
}

func TestGarbageBetweenFramesLosesNoFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := drawMessages(t)
		runs := 0
		transfers := pack(t, messages, func(p []byte) []byte {
			garbage := drawGarbage(t)
			if len(garbage) > 0 {
				runs++
			}
			return append(p, garbage...)
		})
		var got recorder
		var a frame.Assembler
		for _, transfer := range transfers {
			a.Feed(transfer, &got)
		}
		requireSame(t, messages, got.messages)
		if len(got.faults) != runs {
			t.Fatalf("%d runs of garbage, %d faults", runs, len(got.faults))
		}
		for _, f := range got.faults {
			if f.Tag != 0 || f.Status != frame.StatusCommandMalformed {
				t.Fatalf("garbage reported as %+v", f)
			}
		}
	})
}

// drawGarbage draws bytes that hold no valid header: plain noise, pieces that
// look like the beginning of one, or a header with a bit turned.
func drawGarbage(t *rapid.T) []byte {
	switch rapid.IntRange(0, 4).Draw(t, "garbage") {
	case 0:
		return rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "noise")
	case 1:
		return []byte("HSM7HSM7HSM"[:rapid.IntRange(1, 11).Draw(t, "magic")])
	case 2:
		p := frame.Header{Version: 1, Type: frame.TypeRequest, Flags: frame.FlagFirst | frame.FlagLast, Tag: 9}.Append(nil)
		bit := rapid.IntRange(0, len(p)*8-1).Draw(t, "bit")
		p[bit/8] ^= 1 << (bit % 8)
		return p
	}
	return nil
}

// A peer may send anything: the Assembler keeps its bounds and stays usable.
func TestAnyHeadersLeaveTheAssemblerUsable(t *testing.T) {
	header := rapid.Custom(func(t *rapid.T) frame.Header {
		length := rapid.Uint32Range(0, 40).Draw(t, "length")
		return frame.Header{
			Version: rapid.SampledFrom([]uint8{1, 1, 1, 1, 2}).Draw(t, "version"),
			Type:    frame.Type(rapid.Uint8Range(0, 6).Draw(t, "type")),
			Flags:   frame.Flags(rapid.Uint16Range(0, 4).Draw(t, "flags")),
			Tag:     rapid.Uint32Range(0, 3).Draw(t, "tag"),
			Length:  length,
			Total:   rapid.SampledFrom([]uint32{length, length, 40, 80, frame.MaxMessage, frame.MaxMessage + 1}).Draw(t, "total"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var a frame.Assembler
		var got recorder
		for _, h := range rapid.SliceOfN(header, 0, 60).Draw(t, "headers") {
			transfer := append(h.Append(nil), make([]byte, 40)...)
			a.Feed(transfer[:frame.HeaderSize+rapid.IntRange(0, 40).Draw(t, "sent")], &got)
		}
		got = recorder{}
		want := frame.Message{Type: frame.TypeHello, Tag: 77, Payload: []byte{1, 2, 3}}
		hello, _ := frame.NewSplitter(want).AppendFrame(nil, frame.MaxTransfer)
		a.Feed(hello, &got)
		requireSame(t, []frame.Message{want}, got.messages)
		if unfinished, bytes := a.Unfinished(); unfinished != 0 || bytes != 0 {
			t.Fatalf("HELLO left %d messages with %d bytes", unfinished, bytes)
		}
	})
}
