package paint

import (
	"fmt"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Weight is how heavy letters are.
type Weight uint8

// Weights.
const (
	Regular Weight = iota
	Medium
	Bold
)

// Font is a weight and a size in pixels per em.
type Font struct {
	Weight Weight
	Size   int
}

// LineHeight is the distance in pixels from one line to the next.
func (f Font) LineHeight() int { return f.Size * 4 / 3 }

// Fonts measures and holds the letters. It is not safe for concurrent use.
type Fonts struct {
	files [Bold + 1]*opentype.Font
	faces map[Font]font.Face
}

// NewFonts reads the fonts, which are part of the program.
func NewFonts() (*Fonts, error) {
	f := &Fonts{faces: map[Font]font.Face{}}
	for weight, file := range [...][]byte{Regular: goregular.TTF, Medium: gomedium.TTF, Bold: gobold.TTF} {
		parsed, err := opentype.Parse(file)
		if err != nil {
			return nil, fmt.Errorf("read the font of weight %d: %w", weight, err)
		}
		f.files[weight] = parsed
	}
	return f, nil
}

// face returns the letters of a font, or nil if there is no such font.
func (f *Fonts) face(of Font) font.Face {
	if face, ok := f.faces[of]; ok {
		return face
	}
	if of.Weight > Bold || of.Size <= 0 {
		return nil
	}
	face, err := opentype.NewFace(f.files[of.Weight], &opentype.FaceOptions{Size: float64(of.Size), DPI: 72})
	if err != nil {
		return nil
	}
	f.faces[of] = face
	return face
}

// Width returns how wide text is in pixels, rounded up.
func (f *Fonts) Width(of Font, text string) int {
	face := f.face(of)
	if face == nil {
		return 0
	}
	return font.MeasureString(face, text).Ceil()
}

// Wrap breaks text into lines of at most width pixels: between words, and within
// a word that is wider than a line.
func (f *Fonts) Wrap(of Font, text string, width int) []string {
	return f.fill(of, f.words(of, text), width)
}

// Balance is Wrap with lines of about the same length: as many of them, in the
// least width that will do.
func (f *Fonts) Balance(of Font, text string, width int) []string {
	words := f.words(of, text)
	lines := f.fill(of, words, width)
	wide, narrow := width, width/2
	for narrow < wide && len(lines) > 1 {
		middle := (narrow + wide) / 2
		if tried := f.fill(of, words, middle); len(tried) > len(lines) {
			narrow = middle + 1
		} else {
			lines, wide = tried, middle
		}
	}
	return lines
}

// word is a word and how wide it is in pixels, rounded up.
type word struct {
	text  string
	width int
}

func (f *Fonts) words(of Font, text string) []word {
	var words []word
	for _, text := range strings.Fields(text) {
		words = append(words, word{text, f.Width(of, text)})
	}
	return words
}

// fill puts as many words into each line as have room. Each is taken to be up to
// a pixel wider than it is, which saves measuring lines over and over.
func (f *Fonts) fill(of Font, words []word, width int) []string {
	var lines []string
	space := f.Width(of, " ")
	line, used := "", 0
	for _, w := range words {
		if line != "" && used+space+w.width <= width {
			line, used = line+" "+w.text, used+space+w.width
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for w.width > width && w.text != "" {
			head := f.head(of, w.text, width)
			if head == w.text {
				break // a single letter
			}
			lines = append(lines, head)
			w.text = w.text[len(head):]
			w.width = f.Width(of, w.text)
		}
		line, used = w.text, w.width
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Ellipsis returns text, or as much of its beginning as fits into width pixels
// together with the sign that something is missing.
func (f *Fonts) Ellipsis(of Font, text string, width int) string {
	const missing = "…"
	if f.Width(of, text) <= width {
		return text
	}
	return strings.TrimRight(f.head(of, text, width-f.Width(of, missing)), " ") + missing
}

// head returns the longest beginning of text that fits into width pixels, but at
// least one letter.
func (f *Fonts) head(of Font, text string, width int) string {
	face := f.face(of)
	at, previous := fixed.Int26_6(0), rune(-1)
	for i, letter := range text {
		if face == nil {
			break
		}
		if previous >= 0 {
			at += face.Kern(previous, letter)
		}
		advance, _ := face.GlyphAdvance(letter)
		if at += advance; at > fixed.I(width) && i > 0 {
			return text[:i]
		}
		previous = letter
	}
	return text
}
