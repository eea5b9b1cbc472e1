package touchscreen

import (
	"bytes"
	"testing"
)

// TestTypedDigitsAreWiped looks at the memory in which the digits were.
func TestTypedDigitsAreWiped(t *testing.T) {
	ways := map[string]func(*Panel){
		"answered":  func(p *Panel) { p.Press("Enter") },
		"cancelled": func(p *Panel) { p.Press("Escape"); p.Show(Screen{}) },
		"replaced":  func(p *Panel) { p.Show(Screen{}) },
		"erased": func(p *Panel) {
			for range 4 {
				p.Press("Backspace")
			}
		},
	}
	for name, leave := range ways {
		t.Run(name, func(t *testing.T) {
			p, err := New(nil)
			if err != nil {
				t.Fatal(err)
			}
			p.Show(Screen{Kind: PIN, Min: 4, Max: 8, Cancel: true})
			memory := p.entry.digits[:cap(p.entry.digits)]
			for _, key := range []string{"1", "2", "3", "4"} {
				p.Press(key)
			}
			if !bytes.HasPrefix(memory, []byte("1234")) {
				t.Fatal("the digits are not where this test looks for them")
			}
			leave(p)
			if bytes.ContainsAny(memory, "0123456789") {
				t.Errorf("%q is left", memory)
			}
		})
	}
}

func TestAnswerThatNobodyTookIsWiped(t *testing.T) {
	p, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Show(Screen{Kind: PIN, Min: 1, Max: 8})
	p.Press("7")
	p.Press("Enter")
	a := <-p.answers
	p.answers <- a // as if it had not been taken
	p.Show(Screen{})
	if a.Digits[0] != 0 {
		t.Errorf("%q is left", a.Digits)
	}
}
