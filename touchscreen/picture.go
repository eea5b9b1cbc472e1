package touchscreen

import (
	"image"

	"usbhsm7/touchscreen/paint"
)

// picture returns what is drawn above the title, with its corner anywhere.
func (p *page) picture() []part {
	switch {
	case p.Icon == InsertKey:
		return portPicture(58, paint.Up, &azureStroke)
	case p.Icon == RemoveKey:
		return portPicture(58, paint.Down, &azureStroke)
	case p.Icon == Identified:
		return portPicture(12, paint.NoIcon, nil)
	case p.Icon == Warning:
		return badge(badgeArea, paint.Alert, &amberBadge)
	case p.Kind == Status:
		return badge(badgeArea, paint.Tick, &greenBadge)
	case p.Kind == Failure:
		return badge(badgeArea, paint.Cross, &redBadge)
	case p.Kind == YesNo:
		return badge(badgeArea, paint.Question, &azureBadge)
	case p.Kind == Prompt:
		return badge(badgeArea, paint.Notice, &azureBadge)
	}
	return nil
}

var badgeArea = image.Rect(0, 0, 128, 128)

// badge is an icon on a disc at the left of area, as large as its height allows.
func badge(area image.Rectangle, icon paint.Icon, of *style) []part {
	area.Max.X = area.Min.X + area.Dy()
	disc := *of
	disc.radius, disc.icon = area.Dy()/2, area.Dy()/2
	return []part{{area: area, style: &disc, icon: icon}}
}

// portPicture is the port of the device with an iKey below it, so many pixels
// away; between them an arrow that says which way the key goes.
func portPicture(distance int, arrow paint.Icon, of *style) []part {
	box := func(x, y, width, height int, of *style) part {
		return part{area: image.Rect(x, y, x+width, y+height), style: of}
	}
	key := 40 + distance
	parts := []part{
		box(0, 0, 200, 34, &portStyle),
		box(66, 16, 68, 18, &slotStyle),
		box(76, key-34, 48, 38, &plugStyle),
		box(86, key-26, 10, 10, &slotStyle),
		box(104, key-26, 10, 10, &slotStyle),
		box(62, key, 76, 108, &keyBodyStyle),
		box(76, key+20, 48, 34, &stickerStyle),
		box(90, key+76, 20, 20, &keyHoleStyle),
	}
	if arrow != paint.NoIcon {
		parts = append(parts,
			part{area: image.Rect(160, key-30, 196, key+6), style: of, icon: arrow},
			part{area: image.Rect(160, key-14, 196, key+22), style: of, icon: arrow})
	}
	return parts
}
