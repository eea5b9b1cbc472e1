package ring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"usbhsm7/ikey/internal/folder"
)

// stickersFile is where stickers are remembered.
const stickersFile = "ring.json"

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
		names := make([]string, 0, len(Colours()))
		for colour := range Colours() {
			names = append(names, colour)
		}
		slices.Sort(names)
		return fmt.Errorf("%w: %q; there are %s", ErrColour, s.Colour, strings.Join(names, ", "))
	}
	if utf8.RuneCountInString(s.Text) > MaxText || strings.ContainsFunc(s.Text, unicode.IsControl) {
		return ErrText
	}
	return nil
}

// stickers are those of all keys, by name.
type stickers map[string]sticker

func loadStickers(f folder.Folder) (stickers, error) {
	b, err := f.Load(stickersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return stickers{}, nil
	}
	s := stickers{}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrStickers, stickersFile, err)
	}
	if s == nil { // the file says null
		s = stickers{}
	}
	maps.DeleteFunc(s, func(_ string, s sticker) bool { return s.check() != nil }) // somebody else wrote them
	return s, nil
}

func (s stickers) save(f folder.Folder) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return f.Replace(stickersFile, append(b, '\n'))
}
