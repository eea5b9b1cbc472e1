package frame_test

import (
	"testing"

	"usbhsm7/firmware/frame"
)

func TestFramesFitTheirRoom(t *testing.T) {
	tests := map[string]struct {
		payload, room int
		length        int // of the frame, with its header; 0 for none
		done          bool
	}{
		"empty message, exact room":      {0, 32, 32, true},
		"empty message, no room":         {0, 31, 0, false},
		"small message, exact room":      {100, 132, 132, true},
		"small message, more room":       {100, 4000, 132, true},
		"small message, too little room": {100, 131, 0, false},
		"large message, a packet left":   {5000, 512, 512, false},
		"large message, less left":       {5000, 511, 0, false},
		"large message, no room at all":  {5000, 0, 0, false},
		"large message, negative room":   {5000, -1, 0, false},
		"longest frame":                  {frame.MaxPayload, frame.MaxTransfer, frame.MaxTransfer, true},
		"one byte above":                 {frame.MaxPayload + 1, frame.MaxTransfer, frame.MaxTransfer, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 1, Payload: make([]byte, tt.payload)})
			before := []byte("before")
			out, done := s.AppendFrame(before, tt.room)
			if got := len(out) - len(before); got != tt.length || done != tt.done {
				t.Fatalf("frame of %d bytes, done %v; want %d, %v", got, done, tt.length, tt.done)
			}
		})
	}
}

func TestFlagsMarkTheEndsOfAMessage(t *testing.T) {
	s := frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 1, Payload: make([]byte, 1000)})
	var got []frame.Flags
	for done := false; !done; {
		var p []byte
		p, done = s.AppendFrame(nil, 512)
		h, err := frame.ParseHeader(p)
		if err != nil {
			t.Fatal(err)
		}
		if h.Total != 1000 || int(h.Length) != len(p)-frame.HeaderSize {
			t.Fatalf("length %d of %d in a frame of %d bytes", h.Length, h.Total, len(p))
		}
		got = append(got, h.Flags)
	}
	want := []frame.Flags{frame.FlagFirst, 0, frame.FlagLast}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("flags %v, want %v", got, want)
	}
}

func TestTypesPrintTheirNames(t *testing.T) {
	tests := map[frame.Type]string{
		frame.TypeRequest: "REQUEST", frame.TypeResponse: "RESPONSE", frame.TypeCancel: "CANCEL",
		frame.TypeEvent: "EVENT", frame.TypeHello: "HELLO", 0: "frame type 0", 6: "frame type 6",
	}
	for typ, want := range tests {
		if got := typ.String(); got != want {
			t.Errorf("type %d prints as %q, want %q", uint8(typ), got, want)
		}
	}
}
