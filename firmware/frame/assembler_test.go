package frame_test

import (
	"bytes"
	"testing"

	"usbhsm7/firmware/frame"
)

// begin returns the first fragment of a request that announces total bytes and
// carries some.
func begin(tag, total uint32, some []byte) []byte {
	h := frame.Header{
		Version: frame.Version, Type: frame.TypeRequest, Flags: frame.FlagFirst,
		Tag: tag, Length: uint32(len(some)), Total: total,
	}
	return append(h.Append(nil), some...)
}

func TestAnAnnouncedTotalCostsNothing(t *testing.T) {
	var a frame.Assembler
	var got recorder
	a.Feed(begin(1, frame.MaxMessage, []byte{1}), &got)
	a.Feed(begin(2, frame.MaxMessage, nil), &got)
	if messages, total := a.Unfinished(); messages != 2 || total != frame.MaxUnfinished {
		t.Fatalf("%d messages of %d bytes are unfinished", messages, total)
	}
	if held := a.Held(); held > 1024 {
		t.Errorf("one byte came and %d are held", held)
	}
}

func TestMemoryGrowsWithTheBytesThatCame(t *testing.T) {
	var a frame.Assembler
	var got recorder
	s := frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 1, Payload: make([]byte, frame.MaxMessage)})
	for sent, done := 0, false; !done; {
		var transfer []byte
		transfer, done = s.AppendFrame(transfer, frame.MaxTransfer)
		a.Feed(transfer, &got)
		sent += len(transfer) - frame.HeaderSize
		if held := a.Held(); held > 2*sent || held > frame.MaxMessage {
			t.Fatalf("%d bytes came and %d are held", sent, held)
		}
	}
	if len(got.messages) != 1 || len(got.messages[0].Payload) != frame.MaxMessage {
		t.Fatalf("the largest message did not arrive: %d messages, %v", len(got.messages), got.faults)
	}
	if messages, total := a.Unfinished(); messages != 0 || total != 0 {
		t.Errorf("%d messages of %d bytes stay unfinished", messages, total)
	}
}

// A peer that begins and spoils messages for ever finds the memory of refused
// tags bounded.
func TestRefusedTagsAreBounded(t *testing.T) {
	var a frame.Assembler
	var got recorder
	for tag := uint32(1); tag <= 10*frame.MaxInFlight; tag++ {
		a.Feed(begin(tag, 1, []byte{1, 2}), &got)
		if n := a.Refused(); n > frame.MaxInFlight {
			t.Fatalf("%d refused tags are remembered", n)
		}
	}
	if len(got.faults) != 10*frame.MaxInFlight {
		t.Errorf("%d faults reported", len(got.faults))
	}
}

func TestResetForgetsUnfinishedMessages(t *testing.T) {
	var a frame.Assembler
	var got recorder
	a.Feed(begin(1, 2, []byte{1}), &got)
	a.Feed(begin(2, 1, []byte{1, 2}), &got)
	a.Reset()
	if messages, total := a.Unfinished(); messages != 0 || total != 0 || a.Refused() != 0 {
		t.Errorf("after Reset %d messages of %d bytes are unfinished, %d tags refused", messages, total, a.Refused())
	}
}

// resetter resets the Assembler from within Feed, as a device may.
type resetter struct {
	recorder
	a *frame.Assembler
}

func (r *resetter) Message(m frame.Message) {
	r.recorder.Message(m)
	r.a.Reset()
}

func TestTheSinkMayReset(t *testing.T) {
	var a frame.Assembler
	got := resetter{a: &a}
	transfer := begin(1, 2, []byte{1})
	transfer, _ = frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 2}).AppendFrame(transfer, frame.MaxTransfer)
	transfer, _ = frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 3}).AppendFrame(transfer, frame.MaxTransfer)
	a.Feed(transfer, &got)
	if len(got.messages) != 2 || len(got.faults) != 0 {
		t.Errorf("received %d messages and %v", len(got.messages), got.faults)
	}
}

// The documented lifetime of payloads: one frame lies in the transfer and
// cannot grow into what follows it, fragments are joined in memory of their own.
func TestPayloadOfOneFrameLiesInTheTransfer(t *testing.T) {
	transfer, _ := frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 1, Payload: []byte("abc")}).AppendFrame(nil, frame.MaxTransfer)
	transfer = append(transfer, transfer...)
	var a frame.Assembler
	var got keeper
	a.Feed(transfer, &got)
	if len(got) != 2 || &got[0][0] != &transfer[frame.HeaderSize] || cap(got[0]) != 3 {
		t.Fatal("the payload was copied, or has room to grow")
	}
}

func TestPayloadOfFragmentsIsTheSinksOwn(t *testing.T) {
	want := bytes.Repeat([]byte{7}, 2*frame.MaxPayload)
	s := frame.NewSplitter(frame.Message{Type: frame.TypeResponse, Payload: want})
	var a frame.Assembler
	var got keeper
	buffer := make([]byte, 0, frame.MaxTransfer)
	for done := false; !done; {
		buffer, done = s.AppendFrame(buffer[:0], frame.MaxTransfer)
		a.Feed(buffer, &got)
		clear(buffer)
	}
	if len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Fatal("using the transfer buffer again changed the payload")
	}
}

// keeper keeps payloads without copying them.
type keeper [][]byte

func (k *keeper) Message(m frame.Message) { *k = append(*k, m.Payload) }
func (k *keeper) Fault(frame.Fault)       {}
