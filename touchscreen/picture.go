package touchscreen

import (
	"image"
	"image/color"

	"usbhsm7/touchscreen/paint"
)

// picture returns what is drawn above the title, with its corner anywhere.
func (p *page) picture() []part {
	switch {
	case p.Icon == InsertKey:
		return p.portPicture(58, paint.Up)
	case p.Icon == RemoveKey:
		return p.portPicture(58, paint.Down)
	case p.Icon == Identified:
		return p.portPicture(12, paint.NoIcon)
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
func (p *page) portPicture(distance int, arrow paint.Icon) []part {
	sticker := stickerStyle
	sticker.fill = stickers[min(p.Sticker, Purple)]
	box := func(x, y, width, height int, of *style) part {
		return part{area: image.Rect(x, y, x+width, y+height), style: of}
	}
	key := 40 + distance
	parts := []part{
		box(76, key-34, 48, 38, &plugStyle),
		box(86, key-26, 10, 10, &slotStyle),
		box(104, key-26, 10, 10, &slotStyle),
		box(0, 0, 200, 36, &portStyle),
		box(64, 30, 72, 6, &slotStyle),
		box(62, key, 76, 108, &keyBodyStyle),
		box(76, key+20, 48, 34, &sticker),
		box(90, key+76, 20, 20, &keyHoleStyle),
	}
	if arrow != paint.NoIcon {
		parts = append(parts,
			part{area: image.Rect(160, key-30, 196, key+6), style: &azureStroke, icon: arrow},
			part{area: image.Rect(160, key-14, 196, key+22), style: &azureStroke, icon: arrow})
	}
	return parts
}

// stickers are the colours of stickers.
var stickers = [...]color.RGBA{
	NoSticker: mist,
	Blue:      {0x3b, 0x8d, 0xff, 0xff},
	Black:     night,
	Red:       {0xf0, 0x4a, 0x45, 0xff},
	White:     {0xff, 0xff, 0xff, 0xff},
	Orange:    {0xfb, 0x92, 0x3c, 0xff},
	Grey:      {0x8b, 0x94, 0xa1, 0xff},
	Purple:    {0xa8, 0x62, 0xf0, 0xff},
}
