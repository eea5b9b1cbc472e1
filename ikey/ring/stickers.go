package ring

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is how many characters fit on a sticker.
const MaxText = 40

// Colours returns the colours of stickers, each with whose keys have it by custom.
func Colours() map[string]string {
	return map[string]string{
		"blue":   "HSM SO, Partition SO",
		"black":  "Crypto Officer",
		"grey":   "Limited Crypto Officer, Crypto User",
		"red":    "cloning domain",
		"white":  "Auditor",
		"orange": "remote PED vector",
		"purple": "secure recovery vector of older models",
	}
}

// sticker is what is stuck on the outside of a key.
type sticker struct {
	Colour string `json:"colour,omitempty"`
	Text   string `json:"text,omitempty"`
}

func (s sticker) check() error {
	if _, known := Colours()[s.Colour]; !known && s.Colour != "" {
		names := slices.Sorted(maps.Keys(Colours()))
		return fmt.Errorf("%w: %q; there are %s", ErrColour, s.Colour, strings.Join(names, ", "))
	}
	if utf8.RuneCountInString(s.Text) > MaxText || strings.ContainsFunc(s.Text, unicode.IsControl) {
		return ErrText
	}
	return nil
}
