package touchscreen_test

import (
	"bytes"
	"errors"
	"flag"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"usbhsm7/touchscreen"
)

var update = flag.Bool("update", false, "write the golden pictures and texts instead of comparing them")

// draw returns the panel that shows what s says.
func (s shown) draw(t testing.TB) *touchscreen.Panel {
	t.Helper()
	p := newPanel(t)
	p.Show(s.screen)
	for _, key := range s.keys {
		p.Press(key)
	}
	if s.held != [2]int{} {
		p.Do(touchscreen.Input{Phase: touchscreen.Down, At: image.Pt(s.held[0], s.held[1])})
	}
	return p
}

func newPanel(t testing.TB) *touchscreen.Panel {
	t.Helper()
	p, err := touchscreen.New(clock)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestScreensLookAsTheyDid compares each screen, pixel for pixel, with the golden
// picture; what is drawn now is kept in build/screens.
func TestScreensLookAsTheyDid(t *testing.T) {
	kept := filepath.Join("..", "build", "screens")
	if err := os.MkdirAll(kept, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, s := range gallery {
		t.Run(s.name, func(t *testing.T) {
			picture := s.draw(t).Frame().Image
			golden := filepath.Join("testdata", s.name+".png")
			if *update {
				write(t, golden, picture)
			}
			if n := different(picture, read(t, golden)); n > 0 {
				write(t, filepath.Join(kept, s.name+".png"), picture)
				t.Fatalf("%d pixels differ from %s; see build/screens", n, golden)
			}
			same, err := os.ReadFile(golden)
			if err = errors.Join(err, os.WriteFile(filepath.Join(kept, s.name+".png"), same, 0o666)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestScreensReadAsTheyDid(t *testing.T) {
	for _, s := range gallery {
		t.Run(s.name, func(t *testing.T) {
			text := s.draw(t).Text() + "\n"
			golden := filepath.Join("testdata", s.name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(golden); err != nil || text != string(want) {
				t.Errorf("%v: the screen says\n%s\nand not\n%s", err, text, want)
			}
		})
	}
}

// different counts the pixels in which two pictures are not the same.
func different(a *image.RGBA, b image.Image) int {
	if a.Bounds() != b.Bounds() {
		return a.Bounds().Dx() * a.Bounds().Dy()
	}
	other := image.NewRGBA(b.Bounds())
	draw.Draw(other, other.Bounds(), b, b.Bounds().Min, draw.Src)
	n := 0
	for i := 0; i < len(a.Pix); i += 4 {
		if !bytes.Equal(a.Pix[i:i+4], other.Pix[i:i+4]) {
			n++
		}
	}
	return n
}

func write(t *testing.T, name string, picture image.Image) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(file, picture); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) image.Image {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}
