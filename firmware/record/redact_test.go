package record_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/firmware/record"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

// canary is found by its parts too: no four bytes of it come twice.
const canary = "kd93Xq7vTz1mWb5Rf8LpHs2NcYg6Jt0E"

// holdsCanary reports whether four bytes in a row of the canary are in b.
func holdsCanary(b []byte) bool {
	for i := range len(canary) - 3 {
		if bytes.Contains(b, []byte(canary[i:i+4])) {
			return true
		}
	}
	return false
}

// conversation is the transfers of requests and answers for every command, with
// canaries in them.
func conversation(long bool) (out, in []frame.Message) {
	secret := canary
	if long {
		secret = strings.Repeat(canary, 3000)
	}
	for i, row := range command.Rows {
		tag := uint32(i + 1)
		out = append(out, request(tag, row.Code, planted(row.Request, secret)))
		in = append(in, response(tag, command.StatusOK, planted(row.Response, secret)))
	}
	return out, in
}

// shows reports whether a payload of row is open, so that canaries in it may be
// seen.
func shows(m frame.Message) bool {
	row := command.Rows[m.Tag-1]
	if m.Type == frame.TypeRequest {
		return row.Open()&command.OpenRequest != 0
	}
	return row.Open()&command.OpenResponse != 0
}

// However the messages are cut into frames, transfers and URBs, no four bytes of
// a secret are seen, and lengths stay.
func TestNoSecretIsSeenHoweverItIsCut(t *testing.T) {
	for _, long := range []bool{false, true} {
		t.Run(fmt.Sprintf("long=%v", long), func(t *testing.T) {
			out, in := conversation(long)
			rapid.Check(t, func(t *rapid.T) {
				r := record.NewRedactor()
				if rapid.Bool().Draw(t, "from the beginning") {
					r.Redact(configured())
				}
				i := rapid.IntRange(0, len(out)-1).Draw(t, "command")
				feed(t, r, bulkOut, out[i:min(i+3, len(out))])
				feed(t, r, bulkIn, in[i:min(i+3, len(in))])
			})
		})
	}
}

// feed sends messages through the redactor in frames, transfers and URBs of any
// size, and checks what comes out.
func feed(t *rapid.T, r *record.Redactor, endpoint uint8, messages []frame.Message) {
	var stream []byte
	open := false
	for _, m := range messages {
		open = open || shows(m)
		room := rapid.IntRange(512, 70_000).Draw(t, "room")
		s := frame.NewSplitter(m)
		for done := false; !done; {
			stream, done = s.AppendFrame(stream, room)
		}
	}
	for len(stream) > 0 {
		n := min(rapid.IntRange(1, 40).Draw(t, "packets of a URB")*512, len(stream))
		p := packet(endpoint, stream[:n])
		stream = stream[n:]
		r.Redact(p)
		if len(p.Data) != n {
			t.Fatalf("%d bytes became %d", n, len(p.Data))
		}
		if !open && holdsCanary(p.Data) {
			t.Fatalf("a secret is seen in\n%q", p.Data)
		}
	}
}

func TestHeadersStayReadable(t *testing.T) {
	out, in := conversation(false)
	r := record.NewRedactor()
	r.Redact(configured())
	for _, direction := range []struct {
		endpoint uint8
		messages []frame.Message
	}{{bulkOut, out}, {bulkIn, in}} {
		for _, m := range direction.messages {
			p := packet(direction.endpoint, transfer(m))
			r.Redact(p)
			h, err := frame.ParseHeader(p.Data)
			if err != nil || h.Tag != m.Tag || h.Code != m.Code || int(h.Length) != len(m.Payload) {
				t.Errorf("%v %v: header %+v, %v", m.Type, command.Rows[m.Tag-1].Name, h, err)
			}
			payload := p.Data[frame.HeaderSize:]
			if visible := !bytes.Equal(payload, stars(len(payload))); len(payload) > 0 && visible != shows(m) {
				t.Errorf("%v of %s: seen %v, want %v", m.Type, command.Rows[m.Tag-1].Name, visible, shows(m))
			}
		}
	}
}

func stars(n int) []byte { return bytes.Repeat([]byte{capture.Blank}, n) }

func marshal(v any) []byte {
	b, err := command.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	random  = marshal(&command.RandomRequest{Length: 16})
	opened  = marshal(&command.SessionOpenResponse{Session: 5})
	refused = marshal(&command.ErrorResponse{Cause: "the password is wrong"})
	hello   = marshal(&command.HelloRequest{MinVersion: 1, MaxVersion: 1, Client: "test"})
	event   = marshal(&command.Event{Code: command.EventZeroized, Text: "keys were destroyed"})
	secret  = []byte(canary)
)

// Each case is one transfer after others; want is what is left of it, with the
// headers that are seen as H.
func TestWhatIsUnderstoodIsShownAndNothingElse(t *testing.T) {
	tests := map[string]struct {
		before   []*capture.Packet
		endpoint uint8
		data     []byte
		want     string
	}{
		"open request":                               {nil, bulkOut, transfer(request(1, command.CodeRandom, random)), "H" + string(random)},
		"request with another payload":               {nil, bulkOut, transfer(request(1, command.CodeRandom, secret)), "H" + blanked(secret)},
		"unknown command":                            {nil, bulkOut, transfer(request(1, 0xFFFF, secret)), "H" + blanked(secret)},
		"fragment that decodes alone":                {nil, bulkOut, header(frame.Header{Version: 1, Type: frame.TypeRequest, Flags: frame.FlagFirst, Tag: 1, Code: uint32(command.CodeRandom), Length: uint32(len(random)), Total: 99}, random...), "H" + blanked(random)},
		"two frames, one secret":                     {nil, bulkOut, transfer(request(1, command.CodeEcho, secret), request(2, command.CodeRandom, random)), "H" + blanked(secret) + "H" + string(random)},
		"hello":                                      {nil, bulkOut, transfer(frame.Message{Type: frame.TypeHello, Tag: 1, Payload: hello}), "H" + string(hello)},
		"event":                                      {nil, eventIn, transfer(frame.Message{Type: frame.TypeEvent, Code: 2, Payload: event}), "H" + string(event)},
		"event that is none":                         {nil, eventIn, transfer(frame.Message{Type: frame.TypeEvent, Code: 2, Payload: secret}), "H" + blanked(secret)},
		"error":                                      {nil, bulkIn, transfer(response(1, command.StatusGeneralError, refused)), "H" + string(refused)},
		"error that is none":                         {nil, bulkIn, transfer(response(1, command.StatusGeneralError, secret)), "H" + blanked(secret)},
		"answer to no request":                       {nil, bulkIn, transfer(response(1, command.StatusOK, opened)), "H" + blanked(opened)},
		"answer":                                     {asked(command.CodeSessionOpen), bulkIn, transfer(response(1, command.StatusOK, opened)), "H" + string(opened)},
		"answer of another kind":                     {asked(command.CodeRandom), bulkIn, transfer(response(1, command.StatusOK, opened)), "H" + blanked(opened)},
		"answer to a tag used twice":                 {asked(command.CodeEcho, command.CodeSessionOpen), bulkIn, transfer(response(1, command.StatusOK, opened)), "H" + blanked(opened)},
		"answer to a tag used twice, open first":     {asked(command.CodeSessionOpen, command.CodeEcho), bulkIn, transfer(response(1, command.StatusOK, opened)), "H" + blanked(opened)},
		"answer from before a hello":                 {append(asked(command.CodeSessionOpen), packet(bulkOut, transfer(frame.Message{Type: frame.TypeHello, Tag: 9, Payload: hello}))), bulkIn, transfer(response(1, command.StatusOK, opened)), "H" + blanked(opened)},
		"request from the device":                    {nil, bulkIn, transfer(request(1, command.CodeRandom, random)), "H" + blanked(random)},
		"response from the host":                     {asked(command.CodeSessionOpen), bulkOut, transfer(response(1, command.StatusOK, opened)), "H" + blanked(opened)},
		"garbage":                                    {nil, bulkOut, secret, blanked(secret)},
		"garbage before a frame":                     {nil, bulkOut, append([]byte("x"), transfer(request(1, command.CodeRandom, random))...), blanked(make([]byte, 33+len(random)))},
		"garbage behind a frame":                     {nil, bulkOut, append(transfer(request(1, command.CodeRandom, random)), secret...), "H" + string(random) + blanked(secret)},
		"header of another version":                  {nil, bulkOut, header(frame.Header{Version: 2, Type: frame.TypeHello, Tag: 1}), blanked(make([]byte, 32))},
		"header cut short":                           {nil, bulkOut, transfer(request(1, command.CodeRandom, random))[:20], blanked(make([]byte, 20))},
		"the rest of a frame":                        {[]*capture.Packet{packet(bulkOut, header(frame.Header{Version: 1, Type: frame.TypeRequest, Tag: 1, Code: 2, Length: 544, Total: 544}, make([]byte, 480)...))}, bulkOut, transfer(request(1, command.CodeRandom, random))[:34], blanked(make([]byte, 34))},
		"a frame behind a transfer that ended early": {[]*capture.Packet{packet(bulkOut, header(frame.Header{Version: 1, Type: frame.TypeRequest, Tag: 1, Code: 2, Length: 99, Total: 99}, []byte("abc")...))}, bulkOut, transfer(request(1, command.CodeRandom, random)), "H" + string(random)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := record.NewRedactor()
			for _, p := range append([]*capture.Packet{configured()}, tt.before...) {
				r.Redact(p)
			}
			p := packet(tt.endpoint, tt.data)
			r.Redact(p)
			want := expand(tt.want, tt.data)
			if !bytes.Equal(p.Data, want) {
				t.Errorf("left\n%q\nwant\n%q", p.Data, want)
			}
		})
	}
}

func blanked(b []byte) string { return string(stars(len(b))) }

// expand replaces each H by the header that stands there in data.
func expand(pattern string, data []byte) []byte {
	var b []byte
	for rest := pattern; rest != ""; {
		if rest[0] == 'H' {
			b = append(b, data[len(b):len(b)+frame.HeaderSize]...)
			rest = rest[1:]
			continue
		}
		i := strings.IndexByte(rest, 'H')
		if i < 0 {
			i = len(rest)
		}
		b = append(b, rest[:i]...)
		rest = rest[i:]
	}
	return b
}

func header(h frame.Header, payload ...byte) []byte { return append(h.Append(nil), payload...) }

// asked is the requests that carried tag 1.
func asked(codes ...command.Code) []*capture.Packet {
	var packets []*capture.Packet
	for _, code := range codes {
		packets = append(packets, packet(bulkOut, transfer(request(1, code, nil))))
	}
	return packets
}

// A capture that begins in the middle of a transfer does not take what it sees
// first for a frame, even if it looks like one.
func TestCaptureThatBeginsWithinATransfer(t *testing.T) {
	r := record.NewRedactor()
	frameInData := transfer(request(1, command.CodeRandom, random))
	first := packet(bulkOut, frameInData)
	r.Redact(first)
	if !bytes.Equal(first.Data, stars(len(first.Data))) {
		t.Errorf("the first transfer shows %q", first.Data)
	}
	second := packet(bulkOut, frameInData)
	r.Redact(second)
	if !bytes.Equal(second.Data, frameInData) {
		t.Errorf("the second transfer shows %q", second.Data)
	}
}

// When a URB fails within a frame nobody knows how much of it the device got:
// nothing is shown until the transfer ends. The host sends the frame again, whose
// payload holds what looks like a frame just where the rest of the first would
// have ended.
func TestFailureWithinAFrame(t *testing.T) {
	inside := transfer(request(1, command.CodeRandom, random))
	payload := append(stars(32), inside...)
	payload = append(payload, make([]byte, 544-len(payload))...)
	whole := transfer(request(1, command.CodeEcho, payload))
	r := record.NewRedactor()
	r.Redact(configured())
	r.Redact(packet(bulkOut, whole[:512]))
	r.Redact(&capture.Packet{ID: 2, Event: capture.Completion, Type: usb.Bulk, Endpoint: bulkOut, Status: usb.ECONNRESET})
	again := packet(bulkOut, whole)
	r.Redact(again)
	if !bytes.Equal(again.Data, stars(len(whole))) {
		t.Errorf("shown: %q", again.Data)
	}
}

// A transfer that nothing is understood of ends at the next certain end, or where
// the host begins anew.
func TestWhatEndsATransfer(t *testing.T) {
	setup := func(s usb.Setup) *capture.Packet {
		return &capture.Packet{ID: 3, Event: capture.Submission, Type: usb.Control, Setup: &s}
	}
	flagged := packet(bulkOut, stars(512))
	flagged.Flags = usb.ZeroPacket
	tests := map[string]struct {
		between *capture.Packet
		want    bool
	}{
		"nothing":            {nil, false},
		"a full packet":      {packet(bulkOut, stars(512)), false},
		"a short packet":     {packet(bulkOut, stars(511)), true},
		"an empty packet":    {packet(bulkOut, nil), true},
		"the flag for it":    {flagged, true},
		"another endpoint":   {packet(0x02, stars(1)), false},
		"a cleared halt":     {setup(usb.Setup{RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature, Index: bulkOut}), true},
		"a configuration":    {setup(usb.Setup{Request: usb.SetConfiguration, Value: 1}), true},
		"an interface":       {setup(usb.Setup{RequestType: usb.RecipientInterface, Request: usb.SetInterface}), true},
		"some other request": {setup(usb.Setup{RequestType: usb.RecipientEndpoint, Request: usb.SetFeature, Index: bulkOut}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := record.NewRedactor()
			r.Redact(configured())
			r.Redact(packet(bulkOut, stars(512)))
			if tt.between != nil {
				r.Redact(tt.between)
			}
			next := packet(bulkOut, transfer(request(1, command.CodeRandom, random)))
			r.Redact(next)
			if shown := !bytes.Equal(next.Data, stars(len(next.Data))); shown != tt.want {
				t.Errorf("the next frame is shown: %v", shown)
			}
		})
	}
}

func TestDataOfControlTransfers(t *testing.T) {
	tests := map[string]struct {
		setup usb.Setup
		shown bool
	}{
		"descriptor":            {usb.Setup{RequestType: 0x80, Request: usb.GetDescriptor, Value: 0x0100}, true},
		"status of an endpoint": {usb.Setup{RequestType: 0x82, Request: usb.GetStatus, Index: 0x81}, true},
		"Microsoft descriptor":  {usb.Setup{RequestType: 0xC0, Request: 0x20, Index: 7}, true},
		"other vendor request":  {usb.Setup{RequestType: 0xC0, Request: 0x20, Index: 8}, false},
		"class request":         {usb.Setup{RequestType: 0xA1, Request: 1}, false},
		"data from the host":    {usb.Setup{RequestType: 0x00, Request: usb.SetDescriptor}, false},
		"vendor data":           {usb.Setup{RequestType: 0x40, Request: 0x20, Index: 7}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := record.NewRedactor()
			begin := &capture.Packet{ID: 4, Event: capture.Submission, Type: usb.Control, Setup: &tt.setup}
			end := &capture.Packet{ID: 4, Event: capture.Completion, Type: usb.Control, Endpoint: tt.setup.RequestType & usb.DirIn}
			data := begin
			if tt.setup.In() {
				data = end
			}
			data.Data = []byte(canary)
			r.Redact(begin)
			r.Redact(end)
			if shown := string(data.Data) == canary; shown != tt.shown || !shown && holdsCanary(data.Data) {
				t.Errorf("left %q", data.Data)
			}
			again := &capture.Packet{ID: 4, Event: capture.Completion, Type: usb.Control, Endpoint: 0x80, Data: []byte(canary)}
			if r.Redact(again); holdsCanary(again.Data) {
				t.Error("a second answer to one request is shown")
			}
		})
	}
	r, end := record.NewRedactor(), &capture.Packet{ID: 9, Event: capture.Completion, Type: usb.Control, Endpoint: 0x80, Data: []byte(canary)}
	if r.Redact(end); holdsCanary(end.Data) {
		t.Error("the answer to a request that was not seen is shown")
	}
}
