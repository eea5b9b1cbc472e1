package touchscreen

import (
	"fmt"
	"image"
	"strconv"

	"usbhsm7/touchscreen/paint"
)

// layoutOff is for a unit that has no power.
func layoutOff(p *page) { p.add(part{area: screenArea, style: &darkStyle}) }

// layoutNotice is for what is only to be read, or done: go on.
func layoutNotice(p *page) {
	p.add(part{area: p.takeFoot(button, 2*gap), style: &primaryStyle, text: "OK", act: act{answer, int(OK)}})
	p.story(p.picture(), true)
}

func layoutQuestion(p *page) {
	foot := p.takeFoot(button, 2*gap)
	no, yes := foot, foot
	no.Max.X = foot.Min.X + (foot.Dx()-gap)/2
	yes.Min.X = no.Max.X + gap
	agree := &primaryStyle
	if p.Icon == Warning {
		agree = &dangerStyle
	}
	p.add(
		part{area: no, style: &buttonStyle, text: "No", act: act{answer, int(No)}},
		part{area: yes, style: agree, text: "Yes", act: act{answer, int(Yes)}},
	)
	p.story(p.picture(), true)
}

func layoutProgress(p *page) {
	const thickness = 14
	foot := p.takeFoot(200, 2*gap)
	done := min(max(p.Value, 0), 100)
	track := image.Rect(foot.Min.X, foot.Min.Y, foot.Max.X, foot.Min.Y+thickness)
	filled := track
	filled.Max.X = track.Min.X + max(thickness, track.Dx()*done/100)
	if done == 0 { // nobody knows how much: a piece on its way
		filled.Min.X, filled.Max.X = track.Min.X+track.Dx()/3, track.Min.X+track.Dx()*2/3
	}
	p.add(part{area: track, style: &trackStyle}, part{area: filled, style: &filledStyle})
	if done > 0 {
		p.add(part{area: image.Rect(foot.Min.X, track.Max.Y+gap, foot.Max.X, track.Max.Y+gap+48), style: &percentStyle, text: strconv.Itoa(done) + " %"})
	}
	p.story(p.picture(), true)
}

func layoutNumber(p *page) {
	p.add(part{area: p.takeFoot(button, 2*gap), style: &primaryStyle, text: "OK", act: act{submit, 0}})
	const side = 96
	hint := p.takeFoot(hintStyle.font.LineHeight()+60, 0)
	hint.Max.Y -= 60
	line := p.takeFoot(side, 3*gap)
	less, more := line, line
	less.Max.X = less.Min.X + side
	more.Min.X = more.Max.X - side
	p.add(
		p.stepper(less, paint.Minus, "One less", -1),
		part{area: image.Rect(less.Max.X, line.Min.Y, more.Min.X, line.Max.Y), style: &numberStyle, text: strconv.Itoa(p.number)},
		p.stepper(more, paint.Plus, "One more", 1),
		part{area: hint, style: &hintStyle, text: fmt.Sprintf("%d to %d", p.Min, p.Max)},
	)
	p.story(p.picture(), true)
}

// stepper is a button that changes the number, as long as there is a next one.
func (p *page) stepper(area image.Rectangle, icon paint.Icon, name string, by int) part {
	if next := p.number + by; next < p.Min || next > p.Max {
		return part{area: area, style: &offStyle, icon: icon}
	}
	return part{area: area, style: &keyStyle, icon: icon, name: name, act: act{step, by}}
}

// keypad is what stands on the keys below the field, row by row.
var keypad = [4][3]act{
	{{digit, 1}, {digit, 2}, {digit, 3}},
	{{digit, 4}, {digit, 5}, {digit, 6}},
	{{digit, 7}, {digit, 8}, {digit, 9}},
	{{erase, 0}, {digit, 0}, {submit, 0}},
}

func layoutPIN(p *page) {
	const height = 84
	pad := p.takeFoot(len(keypad)*height+(len(keypad)-1)*gap, 2*gap)
	for row, keys := range keypad {
		top := pad.Min.Y + row*(height+gap)
		for column, does := range keys {
			near, far := column*(pad.Dx()+gap)/len(keys), (column+1)*(pad.Dx()+gap)/len(keys)-gap
			p.add(p.key(image.Rect(pad.Min.X+near, top, pad.Min.X+far, top+height), does))
		}
	}
	p.field(p.takeFoot(64, 2*gap))
	p.story(nil, false)
}

// key is one key of the keypad. It cannot be touched while it would do nothing.
func (p *page) key(area image.Rectangle, does act) part {
	typed := len(p.digits)
	k := part{area: area, style: &keyStyle, act: does}
	on := true
	switch does.verb {
	case erase:
		k.icon, k.name, on = paint.Erase, "Erase the last digit", typed > 0
	case submit:
		k.style, k.text, on = &primaryStyle, "OK", typed >= p.Min && typed <= p.Max
	default:
		k.text, on = strconv.Itoa(does.n), typed < min(p.Max, MaxDigits)
	}
	if !on {
		k.act, k.style = act{}, &offStyle
	}
	return k
}

// field shows how many digits were typed, or how many are wanted.
func (p *page) field(area image.Rectangle) {
	p.add(part{area: area, style: &fieldStyle})
	typed := len(p.digits)
	if typed == 0 {
		p.add(part{area: area, style: &hintStyle, text: wanted(p.Screen)})
		return
	}
	const inRow, size, pitch = MaxDigits / 2, 10, 16
	rows := (typed + inRow - 1) / inRow
	top := area.Min.Y + (area.Dy()-(rows-1)*2*size-size)/2
	for i := range typed {
		row := i / inRow
		width := (min(typed-row*inRow, inRow)-1)*pitch + size
		if row > 0 { // what does not fill the row stands below its beginning
			width = (inRow-1)*pitch + size
		}
		at := image.Pt(area.Min.X+(area.Dx()-width)/2+i%inRow*pitch, top+row*2*size)
		p.add(part{area: image.Rectangle{at, at.Add(image.Pt(size, size))}, style: &bulletStyle})
	}
}

// wanted says how many digits a PIN has.
func wanted(s Screen) string {
	switch {
	case s.Min == 0:
		return fmt.Sprintf("up to %d digits, or none", s.Max)
	case s.Min == s.Max:
		return fmt.Sprintf("%d digits", s.Max)
	}
	return fmt.Sprintf("%d to %d digits", s.Min, s.Max)
}

func layoutHome(p *page) {
	menu := p.takeFoot(button, 2*gap)
	open := act{answer, int(OK)}
	p.add(part{area: screenArea, style: &plainStyle, act: open})
	p.add(part{area: menu, style: &buttonStyle, name: "Menu", act: open})
	p.add(p.labelled(menu, paint.Menu, "Menu")...)

	p.takeTop(28, 0)
	p.add(badge(p.takeTop(64, 2*gap), paint.Lock, &azureBadge)...)
	p.paragraph(&nameStyle, p.Unit.name())
	if p.Unit.Label != "" {
		p.paragraph(&modelStyle, p.Unit.Model)
	}
	p.takeTop(2*gap, 0)
	p.banner(p.Unit.Banner)
	for _, f := range p.Unit.facts() {
		if f.value != "" {
			p.fact(f)
		}
	}
}

// fact is what the home screen tells under a name.
type fact struct{ name, value string }

func (u Unit) facts() []fact {
	return []fact{{"State", u.State}, {"Serial number", u.Serial}, {"Firmware", u.Firmware}}
}

// labelled is an icon and a word beside it, together in the middle of area.
func (p *page) labelled(area image.Rectangle, icon paint.Icon, word string) []part {
	of := buttonLabelStyle
	width := of.icon + gap + p.fonts.Width(of.font, word)
	area.Min.X += (area.Dx() - width) / 2
	sign, text := area, area
	sign.Max.X = sign.Min.X + of.icon
	text.Min.X = sign.Max.X + gap
	return []part{{area: sign, style: &buttonLabelStyle, icon: icon}, {area: text, style: &buttonLabelStyle, text: word}}
}

// name is how people call the device.
func (u Unit) name() string {
	if u.Label == "" {
		return u.Model
	}
	return u.Label
}

// paragraph puts text of any length at the top of the room.
func (p *page) paragraph(of *style, text string) {
	for _, line := range p.fonts.Wrap(of.font, text, p.room.Dx()-of.inset) {
		p.add(part{area: p.takeTop(of.font.LineHeight(), 0), style: of, text: line})
	}
}

// banner puts a warning at the top of the room.
func (p *page) banner(text string) {
	if text == "" {
		return
	}
	line := bannerStyle
	line.fill = none
	lines := p.fonts.Wrap(line.font, text, p.room.Dx()-line.inset-gap)
	card := p.takeTop(len(lines)*line.font.LineHeight()+3*gap, 2*gap)
	p.add(part{area: card, style: &bannerStyle})
	p.add(part{area: image.Rect(card.Min.X, card.Min.Y, card.Min.X+line.inset, card.Min.Y+3*gap+line.font.LineHeight()), style: &line, icon: paint.Alert})
	for i, text := range lines {
		top := card.Min.Y + 3*gap/2 + i*line.font.LineHeight()
		p.add(part{area: image.Rect(card.Min.X, top, card.Max.X, top+line.font.LineHeight()), style: &line, text: text})
	}
}

// fact puts a card with a name and a value at the top of the room: beside each
// other, or a value that is too long for that below its name.
func (p *page) fact(f fact) {
	space := p.room.Dx() - p.fonts.Width(labelStyle.font, f.name) - 2*labelStyle.inset - gap
	if p.fonts.Width(valueStyle.font, f.value) <= space {
		card := p.takeTop(64, gap)
		p.add(part{area: card, style: &cardStyle}, part{area: card, style: &labelStyle, text: f.name}, part{area: card, style: &valueStyle, text: f.value})
		return
	}
	lines := p.fonts.Wrap(longValueStyle.font, f.value, p.room.Dx()-2*longValueStyle.inset)
	pitch := longValueStyle.font.LineHeight()
	card := p.takeTop((len(lines)+1)*pitch+3*gap, gap)
	p.add(part{area: card, style: &cardStyle})
	line := image.Rect(card.Min.X, card.Min.Y+3*gap/2, card.Max.X, card.Min.Y+3*gap/2+pitch)
	p.add(part{area: line, style: &labelStyle, text: f.name})
	for _, text := range lines {
		line = line.Add(image.Pt(0, pitch))
		p.add(part{area: line, style: &longValueStyle, text: text})
	}
}
