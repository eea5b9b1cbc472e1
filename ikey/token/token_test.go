package token

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/ikey"
)

func TestABlankKeyHoldsNothing(t *testing.T) {
	m := blank(t)
	if got := identify(t, m); got != (ikey.Info{}) {
		t.Errorf("info %+v", got)
	}
	if _, err := chip(m).Read(nil); !errors.Is(err, ikey.ErrBlank) {
		t.Errorf("read: %v, want %v", err, ikey.ErrBlank)
	}
	if err := chip(m).ChangePIN(nil, right); !errors.Is(err, ikey.ErrBlank) {
		t.Errorf("change its PIN: %v, want %v", err, ikey.ErrBlank)
	}
}

func TestAKeyWithoutAPINOpensForEverybody(t *testing.T) {
	m := with(t, nil)
	if got := identify(t, m); got != (ikey.Info{Kind: ikey.SO}) {
		t.Errorf("info %+v", got)
	}
	for _, pin := range [][]byte{nil, right, []byte("x")} {
		if got, err := chip(m).Read(pin); err != nil || !bytes.Equal(got, data) {
			t.Errorf("read with %q: %q, %v", pin, got, err)
		}
	}
	if m.writes != 0 {
		t.Errorf("reading it took %d writes", m.writes)
	}
}

func TestAKeyWithAPINOpensForTheRightOne(t *testing.T) {
	m := with(t, right)
	if got := identify(t, m); got != (ikey.Info{Kind: ikey.SO, PIN: true, TriesLeft: ikey.MaxTries}) {
		t.Errorf("info %+v", got)
	}
	if bytes.Contains(m.content, data) || bytes.Contains(m.content, right) {
		t.Error("the file holds the data or the PIN in plain")
	}
	if got, err := chip(m).Read(right); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read with the right PIN: %q, %v", got, err)
	}
	if got, err := chip(m).Read(wrong); !errors.Is(err, ikey.ErrPIN) || got != nil {
		t.Errorf("read with a wrong PIN: %q, %v, want %v", got, err, ikey.ErrPIN)
	}
	if got := identify(t, m).TriesLeft; got != ikey.MaxTries-1 {
		t.Errorf("%d tries left, want %d", got, ikey.MaxTries-1)
	}
	if _, err := chip(m).Read(right); err != nil || identify(t, m).TriesLeft != ikey.MaxTries {
		t.Errorf("the right PIN gives the tries back: %v, %+v", err, identify(t, m))
	}
}

func TestTheLastWrongPINErasesTheKey(t *testing.T) {
	m := with(t, right)
	for try := range ikey.MaxTries {
		if got := identify(t, m).TriesLeft; got != ikey.MaxTries-try {
			t.Fatalf("before try %d: %d left", try, got)
		}
		if _, err := chip(m).Read(wrong); !errors.Is(err, ikey.ErrPIN) {
			t.Fatalf("try %d: %v, want %v", try, err, ikey.ErrPIN)
		}
	}
	if !bytes.Equal(m.content, blank(t).content) {
		t.Error("the key is not blank")
	}
	if _, err := chip(m).Read(right); !errors.Is(err, ikey.ErrBlank) {
		t.Errorf("read with the right PIN: %v, want %v", err, ikey.ErrBlank)
	}
}

func TestWhatCannotBeAPINCostsNoTry(t *testing.T) {
	m := with(t, right)
	for _, pin := range []string{"", "123", "1234567x", string(make([]byte, ikey.MaxPIN+1))} {
		if _, err := chip(m).Read([]byte(pin)); !errors.Is(err, ikey.ErrPIN) {
			t.Errorf("%q: %v, want %v", pin, err, ikey.ErrPIN)
		}
	}
	if got := identify(t, m).TriesLeft; got != ikey.MaxTries || m.writes != 0 {
		t.Errorf("%d tries left after %d writes", got, m.writes)
	}
}

func TestPINsFollowTheRule(t *testing.T) {
	digits := bytes.Repeat([]byte("7"), ikey.MaxPIN+1)
	for pin, want := range map[string]error{
		"": nil, "1234": nil, "0000": nil, string(digits[:ikey.MaxPIN]): nil,
		"123": ikey.ErrPINRule, string(digits): ikey.ErrPINRule, "12a4": ikey.ErrPINRule, "12 34": ikey.ErrPINRule,
	} {
		m := blank(t)
		if err := chip(m).Write(ikey.User, data, []byte(pin)); !errors.Is(err, want) {
			t.Errorf("write with %q: %v, want %v", pin, err, want)
		}
		if err := chip(with(t, nil)).ChangePIN(nil, []byte(pin)); !errors.Is(err, want) {
			t.Errorf("change to %q: %v, want %v", pin, err, want)
		}
		if want == nil {
			if got, err := chip(m).Read([]byte(pin)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("read with %q: %q, %v", pin, got, err)
			}
		}
	}
}

func TestThePINCanBeChanged(t *testing.T) {
	for name, test := range map[string]struct{ from, to []byte }{
		"set":      {nil, right},
		"replaced": {right, wrong},
		"taken":    {right, nil},
	} {
		m := with(t, test.from)
		if err := chip(m).ChangePIN(test.from, test.to); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := chip(m).Read(test.to); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
	}
	m := with(t, right)
	if err := chip(m).ChangePIN(wrong, nil); !errors.Is(err, ikey.ErrPIN) || identify(t, m).TriesLeft != ikey.MaxTries-1 {
		t.Errorf("with a wrong PIN: %v, %+v", err, identify(t, m))
	}
}

func TestAnybodyCanOverwriteOrEraseAKey(t *testing.T) {
	m := with(t, right)
	if err := chip(m).Write(ikey.Domain, []byte("other"), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := chip(m).Read(nil); err != nil || string(got) != "other" {
		t.Errorf("read %q, %v", got, err)
	}
	m = with(t, right)
	if err := chip(m).Erase(); err != nil || !bytes.Equal(m.content, blank(t).content) {
		t.Errorf("erase: %v, or the key is not blank", err)
	}
}

func TestMoreThanAKeyHoldsIsRefused(t *testing.T) {
	m := blank(t)
	for _, pin := range [][]byte{nil, right} {
		if err := chip(m).Write(ikey.SO, make([]byte, MaxData), pin); err != nil {
			t.Errorf("%d bytes: %v", MaxData, err)
		}
		if got, err := chip(m).Read(pin); err != nil || len(got) != MaxData {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
	}
	if err := chip(m).Write(ikey.SO, make([]byte, MaxData+1), nil); !errors.Is(err, ikey.ErrContents) {
		t.Errorf("%d bytes: %v, want %v", MaxData+1, err, ikey.ErrContents)
	}
	if err := chip(m).Write(ikey.Blank, nil, nil); !errors.Is(err, ikey.ErrContents) {
		t.Errorf("of a blank key: %v, want %v", err, ikey.ErrContents)
	}
}

// Two writes of the same data under the same PIN share no key.
func TestEveryPINHasASaltOfItsOwn(t *testing.T) {
	m := blank(t)
	token := chip(m)
	var files [2][]byte
	for i := range files {
		if err := token.Write(ikey.SO, data, right); err != nil {
			t.Fatal(err)
		}
		files[i] = m.content
	}
	if bytes.Equal(files[0][headerSize:], files[1][headerSize:]) {
		t.Error("both files are the same")
	}
}

func TestDefaultCostOpensWhatItSealed(t *testing.T) {
	m := blank(t)
	token := New(m, bytes.NewReader(make([]byte, saltSize)))
	if err := token.Write(ikey.SO, data, right); err != nil {
		t.Fatal(err)
	}
	if got, err := token.Read(right); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %q, %v", got, err)
	}
}

func BenchmarkTryOfAPIN(b *testing.B) {
	token := New(blank(b), bytes.NewReader(make([]byte, saltSize)))
	if err := token.Write(ikey.SO, data, right); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := token.Read(right); err != nil {
			b.Fatal(err)
		}
	}
}
