package touchscreen

import (
	"image"
	"strings"
	"time"

	"usbhsm7/touchscreen/paint"
)

// view is all that the picture depends on.
type view struct {
	Screen
	entry
	left time.Duration // until the answer comes too late; negative: no matter
}

// part is one thing on the screen: where it is, how it looks and what a touch on
// it does. The picture, the areas that can be touched and what a screen reader
// says of them are all made of the same parts.
type part struct {
	area  image.Rectangle
	style *style
	icon  paint.Icon // in the middle of area
	text  string     // one line
	name  string     // of what can be touched, where text does not say it
	act   act        // zero: a touch does nothing
}

// page is a screen in the making: parts, and the room that is left for more.
type page struct {
	view
	fonts *paint.Fonts
	room  image.Rectangle
	parts []part
	cut   bool // not all text fitted
}

// layouts says for each kind what stands on its screens.
var layouts = [...]func(*page){
	Home:     layoutHome,
	List:     layoutList,
	Prompt:   layoutNotice,
	PIN:      layoutPIN,
	YesNo:    layoutQuestion,
	Number:   layoutNumber,
	Progress: layoutProgress,
	Status:   layoutNotice,
	Failure:  layoutNotice,
	Off:      layoutOff,
}

// layOut returns the parts of v in the order in which they are drawn, and whether
// all its text has room.
func layOut(v view, fonts *paint.Fonts) (parts []part, fits bool) {
	p := &page{view: v, fonts: fonts, room: image.Rect(margin, barTop, Width-margin, Height-margin)}
	if int(v.Kind) >= len(layouts) {
		return nil, false
	}
	if v.Kind != Home && v.Kind != Off {
		p.bar()
	}
	layouts[v.Kind](p)
	return p.parts, !p.cut
}

func (p *page) add(parts ...part) { p.parts = append(p.parts, parts...) }

// bar puts the way out and the time that is left at the top.
func (p *page) bar() {
	line := p.takeTop(barSize, gap)
	if p.Cancel || p.Kind == List {
		name := "Cancel"
		if p.Kind == List {
			name = "Back"
		}
		area := image.Rect(line.Min.X-gap, line.Min.Y, line.Min.X+120, line.Max.Y)
		p.add(
			part{area: image.Rect(area.Min.X, area.Min.Y, area.Min.X+34, area.Max.Y), style: &backStyle, icon: paint.Left},
			part{area: area, style: &backStyle, text: name, act: act{answer, int(Cancel)}},
		)
	}
	if p.left >= 0 {
		style := &timeStyle
		if p.left < 15*time.Second {
			style = &hurryStyle
		}
		p.add(part{area: line, style: style, text: clock(p.left)})
	}
}

// takeTop takes height pixels from the top of the room, and a distance below.
func (p *page) takeTop(height, distance int) image.Rectangle {
	taken := p.room
	taken.Max.Y = taken.Min.Y + height
	p.room.Min.Y = taken.Max.Y + distance
	return taken
}

// takeFoot takes height pixels from the foot of the room, and a distance above.
func (p *page) takeFoot(height, distance int) image.Rectangle {
	taken := p.room
	taken.Min.Y = taken.Max.Y - height
	p.room.Max.Y = taken.Min.Y - distance
	return taken
}

// sizes of the body text that are tried, from the best to what must do.
var bodySizes = []int{21, 19, 17}

// story puts title and paragraphs at the top of the room, below the picture if
// there is room for it, and takes what they need. The text ends with an ellipsis
// if there is too much of it even in the smallest size.
func (p *page) story(picture []part, middle bool) {
	for _, picture := range [][]part{picture, nil} {
		for _, size := range bodySizes {
			parts, height := p.tell(picture, size)
			if height > p.room.Dy() {
				continue
			}
			down := 0
			if middle {
				down = (p.room.Dy() - height) * 2 / 5
			}
			p.add(moved(parts, image.Pt(0, down))...)
			p.room.Min.Y += height + down
			return
		}
	}
	parts, _ := p.tell(nil, bodySizes[len(bodySizes)-1])
	p.addCut(parts)
	p.room.Min.Y = p.room.Max.Y
}

// addCut adds those of parts that have room, the last with an ellipsis.
func (p *page) addCut(parts []part) {
	p.cut = true
	for i, part := range parts {
		if i+1 < len(parts) && parts[i+1].area.Max.Y > p.room.Max.Y {
			part.text = p.fonts.Ellipsis(part.style.font, strings.TrimRight(part.text, ".")+" …", part.area.Dx())
			p.add(part)
			return
		}
		p.add(part)
	}
}

// tell lays picture, title and paragraphs out from the top of the room, whatever
// their height, which it returns.
func (p *page) tell(picture []part, size int) (parts []part, height int) {
	area := p.room
	if len(picture) > 0 {
		box := bounds(picture)
		parts = moved(picture, image.Pt(area.Min.X+(area.Dx()-box.Dx())/2, area.Min.Y).Sub(box.Min))
		area.Min.Y += box.Dy() + 2*gap
	}
	body := bodyStyle
	body.font.Size = size
	line := func(style *style, text string) {
		at := image.Rect(area.Min.X, area.Min.Y, area.Max.X, area.Min.Y+style.font.LineHeight())
		parts = append(parts, part{area: at, style: style, text: text})
		area.Min.Y = at.Max.Y
	}
	for _, text := range p.fonts.Balance(titleStyle.font, p.Title, area.Dx()) {
		line(&titleStyle, text)
	}
	for _, paragraph := range p.Text {
		area.Min.Y += gap
		for _, text := range p.fonts.Balance(body.font, paragraph, area.Dx()) {
			line(&body, text)
		}
	}
	return parts, area.Min.Y - p.room.Min.Y
}

func moved(parts []part, by image.Point) []part {
	out := make([]part, len(parts))
	for i, part := range parts {
		part.area = part.area.Add(by)
		out[i] = part
	}
	return out
}

func bounds(parts []part) (all image.Rectangle) {
	for _, part := range parts {
		all = all.Union(part.area)
	}
	return all
}
