package token

import (
	"bytes"
	"fmt"
	"testing"

	"usbhsm7/ikey/internal/wire"
)

func ask(t *testing.T, key *Token, q wire.Request) wire.Response {
	t.Helper()
	q.Tag = 7
	b, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	r, err := wire.ParseResponse(key.answer(b))
	if err != nil || r.Tag != q.Tag {
		t.Fatalf("response %+v, error %v", r, err)
	}
	return r
}

func TestRequestsAreAnswered(t *testing.T) {
	long := make([]byte, wire.MaxField)
	for name, test := range map[string]struct {
		key     *chipMemory
		request wire.Request
		want    wire.Response
	}{
		"identify":       {with(t, right), wire.Request{Op: wire.Identify}, wire.Response{Kind: 1, HasPIN: true, Tries: 10}},
		"identify blank": {blank(t), wire.Request{Op: wire.Identify}, wire.Response{}},
		"read":           {with(t, right), wire.Request{Op: wire.Read, PIN: right}, wire.Response{Data: data}},
		"read blank":     {blank(t), wire.Request{Op: wire.Read}, wire.Response{Status: wire.Blank}},
		"wrong PIN":      {with(t, right), wire.Request{Op: wire.Read, PIN: wrong}, wire.Response{Status: wire.WrongPIN}},
		"write":          {blank(t), wire.Request{Op: wire.Write, Kind: 2, NewPIN: right, Data: data}, wire.Response{}},
		"write nothing":  {blank(t), wire.Request{Op: wire.Write, Data: data}, wire.Response{Status: wire.Malformed}},
		"write too much": {blank(t), wire.Request{Op: wire.Write, Kind: 2, Data: long}, wire.Response{Status: wire.Malformed}},
		"bad PIN":        {blank(t), wire.Request{Op: wire.Write, Kind: 2, NewPIN: []byte("1")}, wire.Response{Status: wire.BadPIN}},
		"change":         {with(t, nil), wire.Request{Op: wire.ChangePIN, NewPIN: right}, wire.Response{}},
		"erase":          {with(t, right), wire.Request{Op: wire.Erase}, wire.Response{}},
		"operation 0":    {blank(t), wire.Request{}, wire.Response{Status: wire.Malformed}},
		"operation 6":    {blank(t), wire.Request{Op: 6}, wire.Response{Status: wire.Malformed}},
		"damaged":        {newMemory([]byte("?")), wire.Request{Op: wire.Identify}, wire.Response{Status: wire.Damaged}},
	} {
		test.want.Tag = 7
		got := ask(t, chip(test.key), test.request)
		if !bytes.Equal(got.Data, test.want.Data) {
			t.Errorf("%s: data %q, want %q", name, got.Data, test.want.Data)
		}
		got.Data, test.want.Data = nil, nil
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestAWornKeySaysSo(t *testing.T) {
	if got := ask(t, chip(readOnly{with(t, nil)}), wire.Request{Op: wire.Erase}); got.Status != wire.Worn {
		t.Errorf("status %d, want %d", got.Status, wire.Worn)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{1, uint8(wire.Read), 0, 0, 0, 0})
	f.Add([]byte{1, uint8(wire.Write), 1, 0, 0, 2, 0xaa, 0xbb})
	f.Add([]byte{1, uint8(wire.ChangePIN), 0, 0, 4, '1', '2', '3', '4', 0})
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, request []byte) {
		m := with(t, right)
		r, err := wire.ParseResponse(chip(m).answer(request))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(m.content); err != nil {
			t.Errorf("status %d leaves no whole key: %v", r.Status, err)
		}
	})
}
