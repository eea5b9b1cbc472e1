package detcbor

import (
	"encoding/hex"
	"errors"
	"testing"
)

// note is a value with every kind of part.
type note struct {
	Number uint     `cbor:"1,keyasint"`
	Words  []string `cbor:"2,keyasint"`
	More   uint     `cbor:"3,keyasint,omitempty"`
}

var codec = New(16, 4)

func decode(t *testing.T, text string) (n note, err error) {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return n, codec.Unmarshal(b, &n)
}

func TestAValueHasOneEncoding(t *testing.T) {
	for text, want := range map[string]note{
		"a201050280":       {Number: 5},
		"a2010502816161":   {Number: 5, Words: []string{"a"}},
		"a301050280031818": {Number: 5, More: 24},
	} {
		encoded, err := codec.Marshal(want)
		if err != nil || hex.EncodeToString(encoded) != text {
			t.Errorf("%+v is %x, %v, want %s", want, encoded, err, text)
		}
		if n, err := decode(t, text); err != nil || n.Number != want.Number || len(n.Words) != len(want.Words) || n.More != want.More {
			t.Errorf("%s is %+v, %v", text, n, err)
		}
	}
}

func TestOtherEncodingsAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		form bool // ErrForm; otherwise the decoder refuses it
	}{
		"number in a long form":     {"a20118050280", true},
		"keys out of order":         {"a202800105", true},
		"missing key":               {"a10105", true},
		"null for an empty list":    {"a2010502f6", true},
		"a default written out":     {"a3010502800300", true},
		"unknown key":               {"a3010502800401", false},
		"key that comes twice":      {"a301050105" + "0280", false},
		"indefinite length":         {"a20105029fff", false},
		"tag":                       {"a201c1050280", false},
		"text that is not UTF-8":    {"a20105028161ff", false},
		"value of another type":     {"a20161610280", false},
		"something behind the end":  {"a20105028000", false},
		"nothing":                   {"", false},
		"cut short":                 {"a2010502", false},
		"a list that is too long":   {"a201050291" + "60606060606060606060606060606060" + "60", false},
		"lists nested too deep":     {"a20105028181818180", false},
		"a length beyond the bytes": {"a20105029affffffff", false},
	} {
		if n, err := decode(t, test.text); err == nil || errors.Is(err, ErrForm) != test.form {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}
