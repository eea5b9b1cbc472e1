package spelling_test

import (
	"strings"
	"testing"

	"usbhsm7/usbip/spelling"
)

func TestHintNamesTheWordThatWasMeant(t *testing.T) {
	words := []string{"delay", "nak", "stall", "present/insert", "present/next", strings.Repeat("x", 33)}
	for text, want := range map[string]string{
		"stal":                  `did you mean "stall"?`,
		"nack":                  `did you mean "nak"?`,
		"present/insrt":         `did you mean "present/insert"?`,
		"presnt/nxt":            `did you mean "present/next"?`,
		"yaled":                 "", // too many mistakes
		"n":                     `did you mean "nak"?`,
		"":                      "", // not even a letter is right
		strings.Repeat("x", 32): "", // longer words are not compared
	} {
		if got := spelling.Hint(text, words); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
