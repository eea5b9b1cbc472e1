package frame_test

import (
	"bytes"
	"fmt"
	"testing"

	"usbhsm7/firmware/frame"
)

// discard is a Sink that counts.
type discard struct{ messages, faults int }

func (d *discard) Message(frame.Message) { d.messages++ }
func (d *discard) Fault(frame.Fault)     { d.faults++ }

// transfersOf cuts a message of size bytes into full transfers.
func transfersOf(size int) (transfers [][]byte) {
	s := frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 1, Payload: make([]byte, size)})
	for done := false; !done; {
		var transfer []byte
		transfer, done = s.AppendFrame(nil, frame.MaxTransfer)
		transfers = append(transfers, transfer)
	}
	return transfers
}

var sizes = []int{64, 4096, frame.MaxPayload, 1 << 20}

func BenchmarkAssemble(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			transfers := transfersOf(size)
			var a frame.Assembler
			var sink discard
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, transfer := range transfers {
					a.Feed(transfer, &sink)
				}
			}
			if sink.messages == 0 || sink.faults != 0 {
				b.Fatalf("%d messages, %d faults", sink.messages, sink.faults)
			}
		})
	}
}

func BenchmarkSplit(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m := frame.Message{Type: frame.TypeRequest, Tag: 1, Payload: make([]byte, size)}
			buffer := make([]byte, 0, frame.MaxTransfer)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				s := frame.NewSplitter(m)
				for done := false; !done; {
					_, done = s.AppendFrame(buffer[:0], frame.MaxTransfer)
				}
			}
		})
	}
}

// The worst garbage: every fourth byte begins a header whose check fails.
func BenchmarkGarbage(b *testing.B) {
	garbage := bytes.Repeat([]byte("HSM7"), frame.MaxTransfer/4)
	var a frame.Assembler
	var sink discard
	b.SetBytes(int64(len(garbage)))
	b.ReportAllocs()
	for b.Loop() {
		a.Feed(garbage, &sink)
	}
}

func TestWholeMessagesAllocateNothing(t *testing.T) {
	var a frame.Assembler
	var sink discard
	transfer := transfersOf(200)[0]
	if n := testing.AllocsPerRun(100, func() { a.Feed(transfer, &sink) }); n != 0 {
		t.Errorf("%v allocations for a message in one frame", n)
	}
	garbage := []byte("no frame at all")
	if n := testing.AllocsPerRun(100, func() { a.Feed(garbage, &sink) }); n != 0 {
		t.Errorf("%v allocations for garbage", n)
	}
}
