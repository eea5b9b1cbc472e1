package token

import (
	"bytes"
	"testing"

	"usbhsm7/ikey/internal/wire"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// plugged returns a key on a bus of its own, ready for requests.
func plugged(t *testing.T, m Memory) *Stick {
	t.Helper()
	stick, err := NewStick(chip(m))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stick.Close)
	usbtest.Connect(t, stick)
	usbtest.Configure(stick)
	return stick
}

// send sends bytes as one transfer.
func send(t *testing.T, stick *Stick, request []byte) {
	t.Helper()
	if u := usbtest.Do(stick, &usb.URB{Endpoint: wire.Out, Buffer: request, Flags: usb.ZeroPacket}); u.Status != usb.OK {
		t.Fatal(u.Status)
	}
}

func receive(t *testing.T, stick *Stick) wire.Response {
	t.Helper()
	u := usbtest.Do(stick, &usb.URB{Endpoint: wire.In, Buffer: make([]byte, 512)})
	r, err := wire.ParseResponse(u.Buffer[:u.Actual])
	if err != nil || u.Status != usb.OK {
		t.Fatal(u.Status, err)
	}
	return r
}

// whole is a request as long as one can be, which erases the key.
func whole(t *testing.T) []byte {
	t.Helper()
	field := make([]byte, wire.MaxField)
	b, err := (&wire.Request{Tag: 7, Op: wire.Erase, PIN: field, NewPIN: field, Data: field}).Encode()
	if err != nil || len(b) != wire.MaxRequest {
		t.Fatal(len(b), err)
	}
	return b
}

func TestTheLongestRequestIsAnswered(t *testing.T) {
	m := with(t, nil)
	stick := plugged(t, m)
	send(t, stick, whole(t))
	if got := receive(t, stick); got.Status != wire.OK || got.Tag != 7 {
		t.Errorf("response %+v", got)
	}
	if !bytes.Equal(m.content, blank(t).content) {
		t.Error("the key is not blank")
	}
}

func TestWhatIsNoRequestDoesNothing(t *testing.T) {
	longest := whole(t)
	for name, request := range map[string][]byte{
		"nothing":        {},
		"half a request": longest[:len(longest)/2],
		"a byte more":    append(bytes.Clone(longest), 0),
		"twice as long":  append(bytes.Clone(longest), longest...),
	} {
		m := with(t, nil)
		stick := plugged(t, m)
		send(t, stick, request)
		if got := receive(t, stick); got.Status != wire.Malformed {
			t.Errorf("%s: response %+v", name, got)
		}
		if m.writes != 0 {
			t.Errorf("%s: the key was written", name)
		}
	}
}

// A request of which only a part arrived is forgotten when the host begins anew.
func TestHalfARequestIsForgotten(t *testing.T) {
	m := with(t, nil)
	stick := plugged(t, m)
	half := &usb.URB{Endpoint: wire.Out, Buffer: whole(t)[:2*wire.Packet]} // full packets: more is to come
	if usbtest.Do(stick, half); half.Status != usb.OK {
		t.Fatal(half.Status)
	}
	usbtest.Configure(stick)
	send(t, stick, []byte{9, byte(wire.Identify), 0, 0, 0, 0})
	if got := receive(t, stick); got.Status != wire.OK || got.Tag != 9 || got.Kind == 0 || m.writes != 0 {
		t.Errorf("response %+v after %d writes", got, m.writes)
	}
}
