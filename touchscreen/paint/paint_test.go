package paint

import (
	"image"
	"image/color"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func fonts(t testing.TB) *Fonts {
	t.Helper()
	f, err := NewFonts()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var body = Font{Size: 20}

// TestWrapLosesNothing: the words are all there, in their order, and no line is
// too wide unless it is a single letter.
func TestWrapLosesNothing(t *testing.T) {
	f := fonts(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		width := rapid.IntRange(1, 400).Draw(t, "width")
		wrapped, balanced := f.Wrap(body, text, width), f.Balance(body, text, width)
		if len(balanced) != len(wrapped) {
			t.Fatalf("%d lines balanced, %d not", len(balanced), len(wrapped))
		}
		for _, lines := range [][]string{wrapped, balanced} {
			if without(strings.Join(lines, "")) != without(text) {
				t.Fatalf("%q became %q", text, lines)
			}
			for _, line := range lines {
				if f.Width(body, line) > width && utf8.RuneCountInString(line) > 1 {
					t.Fatalf("%q is %d pixels wide, not %d", line, f.Width(body, line), width)
				}
			}
		}
	})
}

// without returns text without white space.
func without(text string) string { return strings.Join(strings.Fields(text), "") }

func TestEllipsis(t *testing.T) {
	f := fonts(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 40, 200).Draw(t, "text")
		width := rapid.IntRange(40, 400).Draw(t, "width")
		got := f.Ellipsis(body, text, width)
		if head, is := strings.CutSuffix(got, "…"); got != text && (!is || !strings.HasPrefix(text, head)) {
			t.Fatalf("%q became %q", text, got)
		}
		if f.Width(body, got) > width && utf8.RuneCountInString(got) > 2 {
			t.Fatalf("%q is %d pixels wide, not %d", got, f.Width(body, got), width)
		}
	})
}

func TestIconsDifferAndStayInTheirSquare(t *testing.T) {
	seen := map[string]Icon{}
	square := image.Rect(8, 8, 40, 40)
	for icon := NoIcon + 1; icon <= Lock; icon++ {
		c := NewCanvas(image.Pt(48, 48), fonts(t), color.Black)
		c.Icon(icon, square, color.White)
		if other, is := seen[string(c.Image.Pix)]; is {
			t.Errorf("icons %d and %d look the same", icon, other)
		}
		seen[string(c.Image.Pix)] = icon
		for y := range 48 {
			for x := range 48 {
				if c.Image.RGBAAt(x, y).R > 0 && !image.Pt(x, y).In(square) {
					t.Fatalf("icon %d leaves its square at %d, %d", icon, x, y)
				}
			}
		}
	}
	blank := NewCanvas(image.Pt(48, 48), fonts(t), color.Black)
	if icon, is := seen[string(blank.Image.Pix)]; is {
		t.Errorf("icon %d is empty", icon)
	}
}

func TestWhatIsNotThereDrawsNothing(t *testing.T) {
	c := NewCanvas(image.Pt(8, 8), fonts(t), color.Black)
	before := string(c.Image.Pix)
	c.Icon(Lock+1, image.Rect(0, 0, 8, 8), color.White)
	c.Icon(Tick, image.Rectangle{}, color.White)
	c.Box(image.Rectangle{}, 3, color.White)
	c.Frame(image.Rectangle{}, 3, 1, color.White)
	c.Text(Font{Weight: Bold + 1, Size: 8}, 0, 8, "W", color.White)
	c.Text(Font{Size: -1}, 0, 8, "W", color.White)
	if string(c.Image.Pix) != before {
		t.Error("something was drawn")
	}
}

func TestBoxesHaveTheirColourInTheMiddleAndRoundCorners(t *testing.T) {
	c := NewCanvas(image.Pt(40, 40), fonts(t), color.Black)
	c.Box(image.Rect(0, 0, 40, 40), 20, color.White)
	if c.Image.RGBAAt(20, 20).R != 255 || c.Image.RGBAAt(0, 0).R != 0 {
		t.Error("the disc is not one")
	}
	c = NewCanvas(image.Pt(40, 40), fonts(t), color.Black)
	c.Frame(image.Rect(0, 0, 40, 40), 8, 3, color.White)
	if c.Image.RGBAAt(20, 20).R != 0 || c.Image.RGBAAt(20, 1).R != 255 {
		t.Error("the frame is not one")
	}
}
