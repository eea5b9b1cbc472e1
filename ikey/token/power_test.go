package token

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/ikey"
)

// state is what a key is once it has power again.
type state struct {
	info ikey.Info
	data string // with the PIN that opens it
	pin  string
}

// stateOf reads a key with whichever PIN opens it. It works on a copy.
func stateOf(t *testing.T, m *chipMemory) state {
	t.Helper()
	s := state{info: identify(t, newMemory(m.content))}
	for _, pin := range [][]byte{nil, right, wrong} {
		got, err := chip(newMemory(m.content)).Read(pin)
		if err == nil {
			s.data, s.pin = string(got), string(pin)
			return s
		}
		if !errors.Is(err, ikey.ErrPIN) && !errors.Is(err, ikey.ErrBlank) {
			t.Fatal(err)
		}
	}
	return s
}

// Whatever a key is doing when its power fails, at any of its writes, before it or
// after it, it then holds what it held before or what it was to hold, and opens
// with the PIN that goes with it.
func TestAPowerCutLeavesTheOldKeyOrTheNew(t *testing.T) {
	operations := map[string]func(*Token) error{
		"write":             func(k *Token) error { return k.Write(ikey.Domain, []byte("new"), nil) },
		"write with a PIN":  func(k *Token) error { return k.Write(ikey.Domain, []byte("new"), wrong) },
		"read":              func(k *Token) error { _, err := k.Read(right); return err },
		"read, wrong PIN":   func(k *Token) error { _, err := k.Read(wrong); return err },
		"change the PIN":    func(k *Token) error { return k.ChangePIN(right, wrong) },
		"take the PIN away": func(k *Token) error { return k.ChangePIN(right, nil) },
		"erase":             (*Token).Erase,
	}
	starts := map[string][]byte{"without a PIN": nil, "with a PIN": right}
	for name, operation := range operations {
		for start, pin := range starts {
			before := stateOf(t, with(t, pin))
			finished := with(t, pin)
			_ = operation(chip(finished)) // a wrong PIN fails, and that is a state too
			after := stateOf(t, finished)
			for cut := range finished.writes {
				for _, kept := range []bool{false, true} {
					m := with(t, pin)
					m.cut, m.kept = cut, kept
					if err := operation(chip(m)); err == nil {
						t.Fatalf("%s a key %s: cut %d was not noticed", name, start, cut)
					}
					got := stateOf(t, m)
					got.info.TriesLeft, before.info.TriesLeft, after.info.TriesLeft = 0, 0, 0
					if got != before && got != after {
						t.Errorf("%s a key %s, power failed at write %d (kept: %v): %+v, want %+v or %+v",
							name, start, cut, kept, got, before, after)
					}
				}
			}
		}
	}
}

// No power cut buys a guess: if the PIN was looked at, a try is gone.
func TestNoPowerCutGivesAFreeGuess(t *testing.T) {
	for _, kept := range []bool{false, true} {
		for cut := range 3 {
			m := with(t, right)
			guesses := 0
			for identify(t, newMemory(m.content)).Kind != ikey.Blank {
				m.writes, m.cut, m.kept, m.off = 0, cut, kept, false
				_, err := chip(m).Read(wrong)
				m.off = false
				if errors.Is(err, ikey.ErrPIN) {
					guesses++ // the answer came out
				}
				if cut == 0 && !kept {
					break // nothing was stored, nothing was answered: it can go on for ever
				}
				if guesses > ikey.MaxTries {
					t.Fatalf("cut %d, kept %v: %d guesses", cut, kept, guesses)
				}
			}
			if cut == 0 && guesses != 0 {
				t.Errorf("kept %v: an answer before the try was counted", kept)
			}
		}
	}
}

// A key that lost power after its last try was counted and before it was erased
// does it when it has power again.
func TestAKeyErasesItselfWhenPowerComesBack(t *testing.T) {
	m := with(t, right)
	for range ikey.MaxTries - 1 {
		if _, err := chip(m).Read(wrong); !errors.Is(err, ikey.ErrPIN) {
			t.Fatal(err)
		}
	}
	m.writes, m.cut = 0, 1
	if _, err := chip(m).Read(wrong); err == nil {
		t.Fatal("the cut was not noticed")
	}
	m.off, m.cut = false, -1
	if _, err := chip(m).Read(right); !errors.Is(err, ikey.ErrBlank) {
		t.Errorf("read with the right PIN: %v, want %v", err, ikey.ErrBlank)
	}
	if !bytes.Equal(m.content, blank(t).content) {
		t.Error("the key is not blank")
	}
}

func TestAWornKeyKeepsWhatItHolds(t *testing.T) {
	m := with(t, nil)
	worn := chip(readOnly{m})
	for name, err := range map[string]error{
		"write":  worn.Write(ikey.User, []byte("new"), nil),
		"change": worn.ChangePIN(nil, right),
		"erase":  worn.Erase(),
	} {
		if !errors.Is(err, ikey.ErrWorn) || !errors.Is(err, ikey.ErrDamaged) {
			t.Errorf("%s: %v, want %v", name, err, ikey.ErrWorn)
		}
	}
	if got, err := worn.Read(nil); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := chip(readOnly{with(t, right)}).Read(right); !errors.Is(err, ikey.ErrWorn) {
		t.Errorf("read with a PIN whose tries cannot be counted: %v, want %v", err, ikey.ErrWorn)
	}
}

// readOnly is a memory that takes no more writes.
type readOnly struct{ Memory }

func (readOnly) Replace([]byte) error { return errors.New("worn out") }
