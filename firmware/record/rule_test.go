package record_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/firmware/record"
)

func TestHostChoosesItsTags(t *testing.T) {
	r := record.NewRule(false)
	at := r.Out(bulkOut, transfer(request(100, command.CodeRandom, random)), transfer(request(7, command.CodeRandom, random)))
	if at != -1 {
		t.Fatalf("byte %d differs", at)
	}
	answer := r.In(bulkIn, transfer(response(100, command.StatusOK, opened)))
	if want := transfer(response(7, command.StatusOK, opened)); !bytes.Equal(answer, want) {
		t.Errorf("answered\n% x\nwant\n% x", answer, want)
	}
	foreign := transfer(response(55, command.StatusOK, opened))
	if answer := r.In(bulkIn, foreign); !bytes.Equal(answer, foreign) {
		t.Errorf("the tag of no request became % x", answer)
	}
}

func TestWhatTheHostMayNotChange(t *testing.T) {
	const header = frame.HeaderSize
	message := request(1, command.CodeRandom, random)
	with := func(change func(m *frame.Message)) []byte {
		m := message
		change(&m)
		return transfer(m)
	}
	tests := map[string]struct {
		sent []byte
		want int
	}{
		"nothing":        {transfer(message), -1},
		"tag":            {with(func(m *frame.Message) { m.Tag = 2 }), -1},
		"type":           {with(func(m *frame.Message) { m.Type = frame.TypeHello }), 5},
		"session":        {with(func(m *frame.Message) { m.Session = 8 }), 12},
		"command":        {with(func(m *frame.Message) { m.Code = uint32(command.CodeInfo) }), 16},
		"length":         {with(func(m *frame.Message) { m.Payload = append(random[:len(random):len(random)], 0) }), 20},
		"payload":        {with(func(m *frame.Message) { m.Payload = marshal(&command.RandomRequest{Length: 17}) }), header + 2},
		"no frame":       {make([]byte, header+len(random)), 0},
		"half of it":     {transfer(message)[:10], 10},
		"more behind it": {append(transfer(message), 1), header + len(random)},
		"empty":          {nil, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := record.NewRule(false).Out(bulkOut, transfer(message), tt.sent); got != tt.want {
				t.Errorf("byte %d, want %d", got, tt.want)
			}
		})
	}
}

func TestHelloMaySayAnotherName(t *testing.T) {
	named := func(tag uint32, client string) []byte {
		return transfer(frame.Message{Type: frame.TypeHello, Tag: tag, Payload: marshal(&command.HelloRequest{MinVersion: 1, MaxVersion: 1, Client: client})})
	}
	if at := record.NewRule(false).Out(bulkOut, named(1, "hsm7 v1"), named(2, "hsm7 v1.2.3")); at != -1 {
		t.Errorf("byte %d differs", at)
	}
}

func TestBlanksMatchAnythingWhereTheRecordingIsRedacted(t *testing.T) {
	recorded := transfer(request(1, command.CodeEcho, stars(len(canary))))
	sent := transfer(request(2, command.CodeEcho, []byte(canary)))
	if at := record.NewRule(true).Out(bulkOut, recorded, sent); at != -1 {
		t.Errorf("redacted: byte %d differs", at)
	}
	if at := record.NewRule(false).Out(bulkOut, recorded, sent); at != frame.HeaderSize {
		t.Errorf("not redacted: byte %d differs", at)
	}
}

// Fragments keep the tag of their message, also where frames go on from one URB to
// the next.
func TestFragmentsOverSeveralURBs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := bytes.Repeat([]byte("HSM7"), rapid.IntRange(1, 1000).Draw(t, "length"))
		room := rapid.IntRange(512, 3000).Draw(t, "room")
		cut := 512 * rapid.IntRange(1, 4).Draw(t, "packets of a URB")
		recorded, sent := fragments(request(100, command.CodeEcho, payload), room), fragments(request(7, command.CodeEcho, payload), room)
		r := record.NewRule(false)
		for at := 0; at < len(recorded); at += cut {
			end := min(at+cut, len(recorded))
			if end-at < frame.HeaderSize || splitsHeader(recorded, end) {
				return // the driver's URBs end with frames or are whole packets of payload
			}
			if different := r.Out(bulkOut, recorded[at:end], sent[at:end]); different >= 0 {
				t.Fatalf("byte %d of %d to %d differs", different, at, end)
			}
		}
		answer := fragments(response(100, command.StatusOK, payload), room)
		want := fragments(response(7, command.StatusOK, payload), room)
		var got []byte
		for at := 0; at < len(answer); at += cut {
			end := min(at+cut, len(answer))
			if splitsHeader(answer, end) {
				return
			}
			got = append(got, r.In(bulkIn, answer[at:end])...)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("the answer has not the host's tags")
		}
	})
}

// fragments returns m in frames of at most room bytes.
func fragments(m frame.Message, room int) []byte {
	var b []byte
	s := frame.NewSplitter(m)
	for done := false; !done; {
		b, done = s.AppendFrame(b, room)
	}
	return b
}

// splitsHeader reports whether end is within a header.
func splitsHeader(b []byte, end int) bool {
	for at := 0; at < end && at < len(b); {
		h, err := frame.ParseHeader(b[at:])
		if err != nil || end < at+frame.HeaderSize {
			return true
		}
		at += frame.HeaderSize + int(h.Length)
	}
	return false
}
