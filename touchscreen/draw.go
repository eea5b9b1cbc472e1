package touchscreen

import (
	"image"

	"usbhsm7/touchscreen/paint"
)

// marks are what is drawn otherwise than it lies there.
type marks struct{ pressed, focus act }

func (e entry) marks() marks { return marks{e.pressed, e.focus} }

// drawParts draws the parts of a screen.
func drawParts(parts []part, m marks, fonts *paint.Fonts) *image.RGBA {
	c := paint.NewCanvas(screenArea.Max, fonts, night)
	for _, p := range parts {
		p.draw(c, fonts, m)
	}
	return c.Image
}

func (p part) draw(c *paint.Canvas, fonts *paint.Fonts, m marks) {
	fill := p.style.fill
	if p.act != (act{}) && p.act == m.pressed {
		fill = pressed[fill]
	}
	if fill != none {
		c.Box(p.area, p.style.radius, fill)
	}
	if p.icon != paint.NoIcon {
		c.Icon(p.icon, square(p.area, p.style.icon), p.style.ink)
	}
	if p.text != "" {
		p.drawText(c, fonts)
	}
	if p.act != (act{}) && p.act == m.focus {
		c.Frame(p.area.Inset(-4), p.style.radius+4, 3, azure)
	}
}

// drawText puts the line in the middle between top and foot: the letters without
// descenders, which is what the eye takes for the height of a line.
func (p part) drawText(c *paint.Canvas, fonts *paint.Fonts) {
	x := p.area.Min.X + p.style.inset
	switch width := fonts.Width(p.style.font, p.text); p.style.align {
	case centre:
		x = p.area.Min.X + (p.area.Dx()-width)/2
	case right:
		x = p.area.Max.X - p.style.inset - width
	}
	capitals := p.style.font.Size * 72 / 100
	c.Text(p.style.font, x, p.area.Min.Y+(p.area.Dy()+capitals)/2, p.text, p.style.ink)
}

// square returns the square of the given side in the middle of area.
func square(area image.Rectangle, side int) image.Rectangle {
	corner := area.Min.Add(area.Max).Sub(image.Pt(side, side)).Div(2)
	return image.Rectangle{corner, corner.Add(image.Pt(side, side))}
}
