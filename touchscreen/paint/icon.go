package paint

// Icon is a small picture of one colour.
type Icon uint8

// Icons.
const (
	NoIcon Icon = iota
	Tick
	Cross
	Plus
	Minus
	Left  // chevrons
	Right //
	Up    //
	Down  //
	Erase // of a keypad: take the last digit back
	Menu
	Alert
	Question
	Notice
	Lock
)

// iconGrid is the side of the square in which icons are described.
const iconGrid = 24

// drawing is an icon in strokes, each a run of points, and slabs.
type drawing struct {
	width   float32 // of the strokes
	strokes [][]point
	slabs   []slab
}

// slab is a rounded box.
type slab struct {
	a, b   point
	radius float32
}

var icons = [...]drawing{
	NoIcon:   {},
	Tick:     {width: 2.4, strokes: [][]point{{{5, 12.5}, {10, 17.5}, {19.5, 7}}}},
	Cross:    {width: 2.4, strokes: [][]point{{{6, 6}, {18, 18}}, {{18, 6}, {6, 18}}}},
	Plus:     {width: 2.4, strokes: [][]point{{{12, 5}, {12, 19}}, {{5, 12}, {19, 12}}}},
	Minus:    {width: 2.4, strokes: [][]point{{{5, 12}, {19, 12}}}},
	Left:     {width: 2.4, strokes: [][]point{{{15, 5}, {8, 12}, {15, 19}}}},
	Right:    {width: 2.4, strokes: [][]point{{{9, 5}, {16, 12}, {9, 19}}}},
	Up:       {width: 2.4, strokes: [][]point{{{5, 15.5}, {12, 8.5}, {19, 15.5}}}},
	Down:     {width: 2.4, strokes: [][]point{{{5, 8.5}, {12, 15.5}, {19, 8.5}}}},
	Erase:    {width: 2, strokes: [][]point{{{8, 5}, {22, 5}, {22, 19}, {8, 19}, {2, 12}, {8, 5}}, {{11, 9}, {17, 15}}, {{17, 9}, {11, 15}}}},
	Menu:     {width: 2.2, strokes: [][]point{{{4, 6.5}, {20, 6.5}}, {{4, 12}, {20, 12}}, {{4, 17.5}, {20, 17.5}}}},
	Alert:    {width: 2, strokes: [][]point{{{12, 3}, {22, 20.5}, {2, 20.5}, {12, 3}}, {{12, 9.5}, {12, 14}}, {{12, 17.2}, {12, 17.3}}}},
	Question: {width: 2, strokes: [][]point{{{8.6, 9}, {9, 7}, {10.4, 5.7}, {12.2, 5.4}, {14.1, 6}, {15.2, 7.6}, {15, 9.6}, {13.6, 11.1}, {12.3, 12.1}, {12, 14}}, {{12, 18.2}, {12, 18.3}}}},
	Notice:   {width: 2.2, strokes: [][]point{{{12, 11}, {12, 17}}, {{12, 6.7}, {12, 6.8}}}},
	Lock:     {width: 2, strokes: [][]point{{{8, 11}, {8, 7.5}, {9, 5.2}, {12, 4}, {15, 5.2}, {16, 7.5}, {16, 11}}}, slabs: []slab{{a: point{5, 11}, b: point{19, 21}, radius: 2.5}}},
}

// trace traces an icon.
func (d drawing) trace(p *path) {
	for _, stroke := range d.strokes {
		for i := 1; i < len(stroke); i++ {
			p.line(stroke[i-1], stroke[i], d.width)
		}
	}
	for _, r := range d.slabs {
		p.box(r.a, r.b, r.radius)
	}
}
