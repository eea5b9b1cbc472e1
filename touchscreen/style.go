package touchscreen

import (
	"image"
	"image/color"

	"usbhsm7/touchscreen/paint"
)

// Size of the screen in pixels, and the distances that everything keeps.
const (
	Width  = 480
	Height = 800

	margin  = 32 // to the sides
	gap     = 12 // between things that belong together
	button  = 72 // height of buttons and rows
	barTop  = 20 // of the line with the way out and the time left
	barSize = 52 // height of that line
)

var screenArea = image.Rect(0, 0, Width, Height)

// Colours: few, calm, and all text at least 4.5 to 1 against what is behind it.
var (
	night  = color.RGBA{0x0d, 0x11, 0x17, 0xff} // behind everything
	slate  = color.RGBA{0x1b, 0x22, 0x2d, 0xff} // things that can be touched, cards
	dusk   = color.RGBA{0x13, 0x18, 0x20, 0xff} // what cannot be touched now
	steel  = color.RGBA{0x2c, 0x37, 0x47, 0xff} // edges, and what is under the finger
	snow   = color.RGBA{0xf3, 0xf6, 0xfa, 0xff} // text
	mist   = color.RGBA{0xa3, 0xb1, 0xc2, 0xff} // text of less weight
	faint  = color.RGBA{0x5c, 0x69, 0x7a, 0xff} // text of that
	azure  = color.RGBA{0x5a, 0xb0, 0xff, 0xff} // the way on
	deep   = color.RGBA{0x12, 0x2f, 0x4d, 0xff} // behind azure icons
	green  = color.RGBA{0x4a, 0xd6, 0x8d, 0xff}
	forest = color.RGBA{0x10, 0x36, 0x26, 0xff}
	red    = color.RGBA{0xff, 0x7b, 0x72, 0xff}
	wine   = color.RGBA{0x44, 0x18, 0x1b, 0xff}
	amber  = color.RGBA{0xf5, 0xc3, 0x4c, 0xff}
	earth  = color.RGBA{0x3d, 0x2e, 0x0b, 0xff}
	black  = color.RGBA{A: 0xff} // without power
	none   = color.RGBA{}
)

// pressed says what a colour becomes under the finger.
var pressed = map[color.RGBA]color.RGBA{
	slate: steel,
	azure: {0x9c, 0xd0, 0xff, 0xff},
	red:   {0xff, 0xac, 0xa6, 0xff},
}

// align says where in its area a line of text stands.
type align uint8

const (
	centre align = iota
	left
	right
)

// style is how a part looks.
type style struct {
	fill   color.RGBA // none: nothing is filled
	ink    color.RGBA
	font   paint.Font
	align  align
	radius int
	inset  int // from the side that the text is aligned to
	icon   int // side of the icon
}

// Styles of text.
var (
	titleStyle     = style{ink: snow, font: paint.Font{Weight: paint.Bold, Size: 30}}
	bodyStyle      = style{ink: mist, font: paint.Font{Size: 21}}
	hintStyle      = style{ink: mist, font: paint.Font{Size: 18}}
	labelStyle     = style{ink: mist, font: paint.Font{Size: 18}, align: left, inset: 20}
	valueStyle     = style{ink: snow, font: paint.Font{Weight: paint.Medium, Size: 19}, align: right, inset: 20}
	longValueStyle = style{ink: snow, font: paint.Font{Weight: paint.Medium, Size: 19}, align: left, inset: 20}
	nameStyle      = style{ink: snow, font: paint.Font{Weight: paint.Bold, Size: 36}, align: left}
	modelStyle     = style{ink: mist, font: paint.Font{Size: 21}, align: left}
	numberStyle    = style{ink: snow, font: paint.Font{Weight: paint.Bold, Size: 84}}
	percentStyle   = style{ink: snow, font: paint.Font{Weight: paint.Medium, Size: 28}}
	timeStyle      = style{ink: mist, font: paint.Font{Weight: paint.Medium, Size: 20}, align: right}
	hurryStyle     = style{ink: amber, font: paint.Font{Weight: paint.Bold, Size: 20}, align: right}
	rowTextStyle   = style{ink: snow, font: paint.Font{Weight: paint.Medium, Size: 21}, align: left, inset: 20}
	smallRowStyle  = style{ink: snow, font: paint.Font{Weight: paint.Medium, Size: 17}, align: left, inset: 20}
)

// Styles of what can be touched, and of what stands on it.
var (
	primaryStyle     = style{fill: azure, ink: night, font: paint.Font{Weight: paint.Bold, Size: 24}, radius: 16}
	dangerStyle      = style{fill: red, ink: night, font: paint.Font{Weight: paint.Bold, Size: 24}, radius: 16}
	buttonStyle      = style{fill: slate, ink: snow, font: paint.Font{Weight: paint.Medium, Size: 24}, radius: 16, icon: 30}
	buttonLabelStyle = style{ink: snow, font: paint.Font{Weight: paint.Medium, Size: 24}, align: left, icon: 28}
	keyStyle         = style{fill: slate, ink: snow, font: paint.Font{Weight: paint.Medium, Size: 34}, radius: 16, icon: 36}
	offStyle         = style{fill: dusk, ink: faint, font: paint.Font{Weight: paint.Medium, Size: 30}, radius: 16, icon: 34}
	rowStyle         = style{fill: slate, radius: 14}
	tipStyle         = style{ink: mist, icon: 22}
	backStyle        = style{ink: azure, font: paint.Font{Weight: paint.Medium, Size: 21}, align: left, radius: 12, inset: 34, icon: 26}
	plainStyle       = style{}
)

// Styles of boxes and pictures.
var (
	cardStyle    = style{fill: slate, radius: 14}
	bannerStyle  = style{fill: earth, ink: amber, font: paint.Font{Weight: paint.Medium, Size: 20}, align: left, radius: 14, inset: 60, icon: 28}
	fieldStyle   = style{fill: slate, radius: 14}
	bulletStyle  = style{fill: snow, radius: 5}
	darkStyle    = style{fill: black}
	trackStyle   = style{fill: slate, radius: 7}
	filledStyle  = style{fill: azure, radius: 7}
	thumbStyle   = style{fill: faint, radius: 3}
	azureBadge   = style{fill: deep, ink: azure}
	greenBadge   = style{fill: forest, ink: green}
	redBadge     = style{fill: wine, ink: red}
	amberBadge   = style{fill: earth, ink: amber}
	azureStroke  = style{ink: azure, icon: 36}
	portStyle    = style{fill: steel, radius: 8}
	slotStyle    = style{fill: night, radius: 3}
	plugStyle    = style{fill: mist, radius: 4}
	keyBodyStyle = style{fill: faint, radius: 16}
	stickerStyle = style{radius: 6}
	keyHoleStyle = style{fill: night, radius: 10}
)
