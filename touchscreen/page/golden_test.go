package page_test

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"os"
	"path/filepath"
)

var update = flag.Bool("update", false, "write the golden pictures of the page instead of comparing them")

// tolerance is how far a page may be from its golden picture, as the mean
// difference of brightness, 0 to 255, in squares of blur pixels: fonts differ from
// machine to machine, and what a page is made of does not.
const (
	tolerance = 6
	blur      = 20
)

// looksLike compares the page with a golden picture, and keeps what it looks like
// in build/screens.
func (b *browser) looksLike(name string) {
	b.Helper()
	b.until(`!document.getAnimations().some((animation) => animation.playState === "running")`)
	picture := b.keep(name)
	golden := filepath.Join("testdata", name+".png")
	if *update {
		if err := os.WriteFile(golden, picture, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		b.Fatal(err)
	}
	if d := distance(b, picture, want); d > tolerance {
		b.Errorf("%s is %d from its golden picture; see build/screens", name, d)
	}
}

// distance returns the mean difference of two pictures.
func distance(b *browser, one, other []byte) int {
	b.Helper()
	x, y := decode(b, one), decode(b, other)
	if x.Bounds() != y.Bounds() {
		return 255
	}
	sum, squares := 0, 0
	for top := 0; top+blur <= x.Bounds().Dy(); top += blur {
		for left := 0; left+blur <= x.Bounds().Dx(); left += blur {
			square := image.Rect(left, top, left+blur, top+blur)
			d := brightness(x, square) - brightness(y, square)
			sum, squares = sum+max(d, -d), squares+1
		}
	}
	return sum / squares
}

// brightness returns the mean of red, green and blue in a square: 0 to 255.
func brightness(picture image.Image, square image.Rectangle) int {
	sum := 0
	for y := square.Min.Y; y < square.Max.Y; y++ {
		for x := square.Min.X; x < square.Max.X; x++ {
			red, green, blue, _ := picture.At(x, y).RGBA()
			sum += int(red>>8 + green>>8 + blue>>8)
		}
	}
	return sum / (3 * square.Dx() * square.Dy())
}

func decode(b *browser, file []byte) image.Image {
	b.Helper()
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		b.Fatal(err)
	}
	return picture
}
