package touchscreen

import (
	"image"

	"usbhsm7/touchscreen/paint"
)

// rowHeight is the height of an item of a list, in pixels.
const rowHeight = 68

// layoutList shows as many items as have room, and buttons to see the others.
func layoutList(p *page) {
	p.story(nil, false)
	p.takeTop(gap, 0)
	rows := p.rows()
	if rows < len(p.Items) {
		rows = p.scrollers()
	}
	for i := range p.Items[p.first(rows):] {
		if i == rows {
			break
		}
		p.row(p.first(rows) + i)
	}
}

// rows returns how many items have room.
func (p *page) rows() int { return max(1, (p.room.Dy()+gap)/(rowHeight+gap)) }

// first returns the first item that is shown where only so many are.
func (p *page) first(rows int) int { return max(0, min(p.top, len(p.Items)-rows)) }

// scrollers puts the buttons at the foot, and a bar that tells where in the list
// one is. It returns how many items have room above them.
func (p *page) scrollers() int {
	foot := p.takeFoot(button, gap)
	rows := p.rows()
	first := p.first(rows)
	up, down := foot, foot
	up.Max.X = foot.Min.X + (foot.Dx()-gap)/2
	down.Min.X = up.Max.X + gap
	p.add(
		scroller(up, paint.Up, "Items before these", -rows, first > 0),
		scroller(down, paint.Down, "Items after these", rows, first+rows < len(p.Items)),
	)
	height := rows*(rowHeight+gap) - gap
	track := image.Rect(p.room.Max.X+10, p.room.Min.Y, p.room.Max.X+16, p.room.Min.Y+height)
	thumb := track
	thumb.Min.Y += height * first / len(p.Items)
	thumb.Max.Y = track.Min.Y + height*min(first+rows, len(p.Items))/len(p.Items)
	p.add(part{area: track, style: &trackStyle}, part{area: thumb, style: &thumbStyle})
	return rows
}

func scroller(area image.Rectangle, icon paint.Icon, name string, by int, on bool) part {
	if !on {
		return part{area: area, style: &offStyle, icon: icon}
	}
	return part{area: area, style: &buttonStyle, icon: icon, name: name, act: act{scroll, by}}
}

// row puts item i at the top of the room: in one line if that will do, in two
// smaller ones otherwise.
func (p *page) row(i int) {
	row := p.takeTop(rowHeight, gap)
	tip := image.Rect(row.Max.X-48, row.Min.Y, row.Max.X, row.Max.Y)
	space := row.Dx() - rowTextStyle.inset - tip.Dx()
	p.add(part{area: row, style: &rowStyle, name: p.Items[i], act: act{choose, i}})
	p.add(part{area: tip, style: &tipStyle, icon: paint.Right})
	if p.fonts.Width(rowTextStyle.font, p.Items[i]) <= space {
		p.add(part{area: row, style: &rowTextStyle, text: p.Items[i]})
		return
	}
	lines := p.fonts.Wrap(smallRowStyle.font, p.Items[i], space)
	if len(lines) > 2 {
		p.cut = true
		lines = []string{lines[0], p.fonts.Ellipsis(smallRowStyle.font, lines[1]+" "+lines[2], space)}
	}
	height := smallRowStyle.font.LineHeight()
	top := row.Min.Y + (row.Dy()-len(lines)*height)/2
	for n, line := range lines {
		at := image.Rect(row.Min.X, top+n*height, row.Max.X, top+(n+1)*height)
		p.add(part{area: at, style: &smallRowStyle, text: line})
	}
}
