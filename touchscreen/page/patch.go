package page

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
)

// tile is the side, in pixels, of the squares in which pictures are compared.
const tile = 16

// patches returns what turns the picture before into the picture after, in the
// form that the package comment describes: nothing if they are the same, all of
// it if there was none.
func patches(before, after *image.RGBA) ([]byte, error) {
	if before == after {
		return nil, nil
	}
	var out bytes.Buffer
	for _, r := range changed(before, after) {
		var picture bytes.Buffer
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		if err := encoder.Encode(&picture, smallest(after, r)); err != nil {
			return nil, fmt.Errorf("encode a part of the picture: %w", err)
		}
		head := binary.BigEndian.AppendUint16(nil, uint16(r.Min.X))
		head = binary.BigEndian.AppendUint16(head, uint16(r.Min.Y))
		out.Write(binary.BigEndian.AppendUint32(head, uint32(picture.Len())))
		out.Write(picture.Bytes())
	}
	return out.Bytes(), nil
}

// changed returns rectangles that do not overlap and that hold all pixels in
// which the pictures differ.
func changed(before, after *image.RGBA) []image.Rectangle {
	all := after.Bounds()
	if before == nil || before.Bounds() != all {
		return []image.Rectangle{all}
	}
	columns, rows := (all.Dx()+tile-1)/tile, (all.Dy()+tile-1)/tile
	grid := grid{columns: columns, rows: rows, marked: make([]bool, columns*rows)}
	for i := range grid.marked {
		at := image.Pt(i%columns, i/columns).Mul(tile)
		grid.marked[i] = differ(before, after, image.Rectangle{at, at.Add(image.Pt(tile, tile))}.Intersect(all))
	}
	var out []image.Rectangle
	for r := grid.take(); !r.Empty(); r = grid.take() {
		out = append(out, image.Rectangle{r.Min.Mul(tile), r.Max.Mul(tile)}.Intersect(all))
	}
	return out
}

// differ reports whether the pictures differ in r.
func differ(a, b *image.RGBA, r image.Rectangle) bool {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		i, j := a.PixOffset(r.Min.X, y), b.PixOffset(r.Min.X, y)
		if !bytes.Equal(a.Pix[i:i+4*r.Dx()], b.Pix[j:j+4*r.Dx()]) {
			return true
		}
	}
	return false
}

// grid is a picture in tiles, of which some are marked.
type grid struct {
	columns, rows int
	marked        []bool
	from          int // all tiles before are unmarked
}

// take returns a rectangle of marked tiles and unmarks them, or an empty one if
// none is marked: from the first, as far to the right as it goes, and then down.
func (g *grid) take() image.Rectangle {
	for g.from < len(g.marked) && !g.marked[g.from] {
		g.from++
	}
	if g.from == len(g.marked) {
		return image.Rectangle{}
	}
	x, y := g.from%g.columns, g.from/g.columns
	r := image.Rect(x, y, x+1, y+1)
	for r.Max.X < g.columns && g.full(image.Rect(r.Max.X, y, r.Max.X+1, y+1)) {
		r.Max.X++
	}
	for r.Max.Y < g.rows && g.full(image.Rect(x, r.Max.Y, r.Max.X, r.Max.Y+1)) {
		r.Max.Y++
	}
	for row := r.Min.Y; row < r.Max.Y; row++ {
		clear(g.marked[row*g.columns+r.Min.X : row*g.columns+r.Max.X])
	}
	return r
}

// full reports whether all tiles of r are marked.
func (g *grid) full(r image.Rectangle) bool {
	for row := r.Min.Y; row < r.Max.Y; row++ {
		for column := r.Min.X; column < r.Max.X; column++ {
			if !g.marked[row*g.columns+column] {
				return false
			}
		}
	}
	return true
}

// smallest returns a part of a picture in the form that takes the least room: with
// a palette if it has at most 256 colours.
func smallest(picture *image.RGBA, r image.Rectangle) image.Image {
	known := map[color.RGBA]uint8{}
	var palette color.Palette
	var last color.RGBA // most pixels are like the one before
	var index uint8
	out := image.NewPaletted(image.Rectangle{Max: r.Size()}, nil)
	for y := range r.Dy() {
		for x := range r.Dx() {
			if c := picture.RGBAAt(r.Min.X+x, r.Min.Y+y); c != last || len(palette) == 0 {
				is := false
				if index, is = known[c]; !is {
					if len(palette) == 256 {
						return copied(picture, r)
					}
					index = uint8(len(palette))
					known[c], palette = index, append(palette, c)
				}
				last = c
			}
			out.Pix[y*out.Stride+x] = index
		}
	}
	out.Palette = palette
	return out
}

// copied returns a part of a picture with its corner at the origin.
func copied(picture *image.RGBA, r image.Rectangle) image.Image {
	out := image.NewRGBA(image.Rectangle{Max: r.Size()})
	draw.Draw(out, out.Bounds(), picture, r.Min, draw.Src)
	return out
}
