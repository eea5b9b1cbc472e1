package paint

import (
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// Canvas is a picture that is being drawn. It is not safe for concurrent use.
type Canvas struct {
	Image *image.RGBA
	fonts *Fonts
	shape vector.Rasterizer
}

// NewCanvas returns a picture of size, all of it in background.
func NewCanvas(size image.Point, fonts *Fonts, background color.Color) *Canvas {
	c := &Canvas{Image: image.NewRGBA(image.Rectangle{Max: size}), fonts: fonts}
	draw.Draw(c.Image, c.Image.Bounds(), image.NewUniform(background), image.Point{}, draw.Src)
	return c
}

// Text draws a line of text whose letters stand on the baseline at y, beginning
// at x.
func (c *Canvas) Text(of Font, x, y int, text string, ink color.Color) {
	face := c.fonts.face(of)
	if face == nil {
		return
	}
	d := font.Drawer{Dst: c.Image, Src: image.NewUniform(ink), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// Box fills r, its corners rounded by radius pixels.
func (c *Canvas) Box(r image.Rectangle, radius int, ink color.Color) {
	if r.Empty() {
		return
	}
	p := path{at: &c.shape}
	c.shape.Reset(r.Dx(), r.Dy())
	p.box(point{0, 0}, point{float32(r.Dx()), float32(r.Dy())}, float32(radius))
	c.fill(r, ink)
}

// Frame draws the edge of Box, width pixels of it inside r.
func (c *Canvas) Frame(r image.Rectangle, radius, width int, ink color.Color) {
	if r.Empty() {
		return
	}
	p := path{at: &c.shape}
	c.shape.Reset(r.Dx(), r.Dy())
	w := float32(width)
	far := point{float32(r.Dx()), float32(r.Dy())}
	p.box(point{0, 0}, far, float32(radius))
	p.hole = true
	p.box(point{w, w}, point{far.x - w, far.y - w}, max(0, float32(radius)-w))
	c.fill(r, ink)
}

// Disc fills the circle that touches the sides of r, which is a square.
func (c *Canvas) Disc(r image.Rectangle, ink color.Color) { c.Box(r, r.Dx()/2, ink) }

// Icon draws an icon, as large as the square r.
func (c *Canvas) Icon(icon Icon, r image.Rectangle, ink color.Color) {
	if int(icon) >= len(icons) || r.Empty() {
		return
	}
	p := path{at: &c.shape, scale: float32(r.Dx()) / iconGrid}
	c.shape.Reset(r.Dx(), r.Dy())
	icons[icon].trace(&p)
	c.fill(r, ink)
}

// fill covers the traced shape, whose box is r, with ink.
func (c *Canvas) fill(r image.Rectangle, ink color.Color) {
	c.shape.Draw(c.Image, r, image.NewUniform(ink), image.Point{})
}
