package wire

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func field() *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), 0, MaxField) }

func TestRequestsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Request{
			Tag: rapid.Byte().Draw(t, "tag"), Op: Op(rapid.Byte().Draw(t, "op")), Kind: rapid.Byte().Draw(t, "kind"),
			PIN: field().Draw(t, "pin"), NewPIN: field().Draw(t, "new pin"), Data: field().Draw(t, "data"),
		}
		b, err := want.Encode()
		if err != nil || len(b) > MaxRequest {
			t.Fatalf("%d bytes, error %v", len(b), err)
		}
		got, err := ParseRequest(b)
		if err != nil || got.Tag != want.Tag || got.Op != want.Op || got.Kind != want.Kind ||
			!bytes.Equal(got.PIN, want.PIN) || !bytes.Equal(got.NewPIN, want.NewPIN) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	})
}

func TestResponsesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Response{
			Tag: rapid.Byte().Draw(t, "tag"), Status: Status(rapid.Byte().Draw(t, "status")),
			Kind: rapid.Byte().Draw(t, "kind"), HasPIN: rapid.Bool().Draw(t, "pin"),
			Tries: rapid.Byte().Draw(t, "tries"), Data: field().Draw(t, "data"),
		}
		b, err := want.Encode()
		if err != nil || len(b) > MaxResponse {
			t.Fatalf("%d bytes, error %v", len(b), err)
		}
		got, err := ParseResponse(b)
		if err != nil || got.Tag != want.Tag || got.Status != want.Status || got.Kind != want.Kind ||
			got.HasPIN != want.HasPIN || got.Tries != want.Tries || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	})
}

func TestMessagesOfTheWrongLengthAreRefused(t *testing.T) {
	request, err := (&Request{Tag: 1, Op: Write, PIN: []byte("1"), NewPIN: []byte("23"), Data: []byte("456")}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range request {
		if _, err := ParseRequest(request[:n]); !errors.Is(err, ErrMessage) {
			t.Errorf("%d bytes of a request: %v, want %v", n, err, ErrMessage)
		}
	}
	if _, err := ParseRequest(append(request, 0)); !errors.Is(err, ErrMessage) {
		t.Errorf("a request and a byte: %v, want %v", err, ErrMessage)
	}
	response, err := (&Response{Tag: 1, HasPIN: true, Data: []byte("456")}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range response {
		if _, err := ParseResponse(response[:n]); !errors.Is(err, ErrMessage) {
			t.Errorf("%d bytes of a response: %v, want %v", n, err, ErrMessage)
		}
	}
	if _, err := ParseResponse(append(response, 0)); !errors.Is(err, ErrMessage) {
		t.Errorf("a response and a byte: %v, want %v", err, ErrMessage)
	}
}

func TestFieldsThatAreTooLongAreNotSent(t *testing.T) {
	long := make([]byte, MaxField+1)
	for name, q := range map[string]Request{"PIN": {PIN: long}, "new PIN": {NewPIN: long}, "data": {Data: long}} {
		if _, err := q.Encode(); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v, want %v", name, err, ErrMessage)
		}
	}
	if _, err := (&Response{Data: long}).Encode(); !errors.Is(err, ErrMessage) {
		t.Errorf("data of a response: %v, want %v", err, ErrMessage)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte{1, 2, 0, 0, 0, 0})
	f.Add([]byte{1, 3, 1, 0, 4, '1', '2', '3', '4', 2, 0xaa, 0xbb})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRequest(b); err == nil {
			if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("parsed % x, encoded % x (%v)", b, again, err)
			}
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte{1, 0, 1, 1, 10, 0})
	f.Add([]byte{1, 0, 0, 0, 0, 2, 0xaa, 0xbb})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseResponse(b); err == nil {
			if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("parsed % x, encoded % x (%v)", b, again, err)
			}
		}
	})
}
