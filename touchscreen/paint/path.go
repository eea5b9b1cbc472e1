package paint

import (
	"math"

	"golang.org/x/image/vector"
)

// point is a place in a path, in the units of whoever traces it.
type point struct{ x, y float32 }

// path traces closed shapes. Shapes that overlap become one; a hole is traced the
// other way round, inside one other shape.
type path struct {
	at    *vector.Rasterizer
	scale float32 // pixels for each unit; 0 is 1
	hole  bool
}

// corner is how far the control points of a quarter of a circle are from its
// ends, for a radius of 1: 4/3 of (sqrt(2)-1).
const corner = 0.5522848

// closed traces a shape of quarters and straight lines: corners holds for each
// quarter its beginning, its two control points and its end.
func (p *path) closed(corners [4][4]point) {
	at := func(q point) (x, y float32) {
		if p.scale == 0 {
			return q.x, q.y
		}
		return q.x * p.scale, q.y * p.scale
	}
	if p.hole {
		for i, j := 0, 3; i < j; i, j = i+1, j-1 {
			corners[i], corners[j] = corners[j], corners[i]
		}
		for i, c := range corners {
			corners[i] = [4]point{c[3], c[2], c[1], c[0]}
		}
	}
	for i, c := range corners {
		if x, y := at(c[0]); i == 0 {
			p.at.MoveTo(x, y)
		} else {
			p.at.LineTo(x, y)
		}
		bx, by := at(c[1])
		cx, cy := at(c[2])
		dx, dy := at(c[3])
		p.at.CubeTo(bx, by, cx, cy, dx, dy)
	}
	p.at.ClosePath()
}

// box traces the rectangle from a to b with rounded corners.
func (p *path) box(a, b point, radius float32) {
	r := min(radius, (b.x-a.x)/2, (b.y-a.y)/2)
	k := r * (1 - corner)
	p.closed([4][4]point{
		{{a.x, a.y + r}, {a.x, a.y + k}, {a.x + k, a.y}, {a.x + r, a.y}},
		{{b.x - r, a.y}, {b.x - k, a.y}, {b.x, a.y + k}, {b.x, a.y + r}},
		{{b.x, b.y - r}, {b.x, b.y - k}, {b.x - k, b.y}, {b.x - r, b.y}},
		{{a.x + r, b.y}, {a.x + k, b.y}, {a.x, b.y - k}, {a.x, b.y - r}},
	})
}

// line traces a straight stroke from a to b with round ends.
func (p *path) line(a, b point, width float32) {
	dx, dy := b.x-a.x, b.y-a.y
	length := float32(math.Hypot(float64(dx), float64(dy)))
	if length == 0 {
		dx, length = 1, 1
	}
	r := width / 2
	ux, uy := dx/length*r, dy/length*r // along the stroke
	vx, vy := -uy, ux                  // across it
	// quarter turns about c from direction (ax, ay) to (bx, by).
	quarter := func(c point, ax, ay, bx, by float32) [4]point {
		return [4]point{
			{c.x + ax, c.y + ay},
			{c.x + ax + corner*bx, c.y + ay + corner*by},
			{c.x + bx + corner*ax, c.y + by + corner*ay},
			{c.x + bx, c.y + by},
		}
	}
	p.closed([4][4]point{
		quarter(a, vx, vy, -ux, -uy), quarter(a, -ux, -uy, -vx, -vy),
		quarter(b, -vx, -vy, ux, uy), quarter(b, ux, uy, vx, vy),
	})
}
