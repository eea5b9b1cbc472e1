package touchscreen

import (
	"image"
	"slices"
	"sync"
	"time"

	"usbhsm7/touchscreen/paint"
)

// Panel is the hardware: it shows a Screen, and turns what fingers and keyboards
// do to it into an Answer. It keeps what was typed, chosen and scrolled; the
// firmware sees only the answer. All methods are safe for concurrent use.
type Panel struct {
	answers chan Answer
	now     func() time.Time

	mu       sync.Mutex // guards what follows; never held while drawing
	screen   Screen
	number   uint64 // of screens shown so far
	answered bool   // the screen has its answer
	entry    entry
	parts    []part
	laid     time.Duration // the time left that parts show
	fonts    *paint.Fonts
	revision uint64
	changed  chan struct{} // closed at the next change

	drawing sync.Mutex // guards what follows
	brush   *paint.Fonts
	drawn   drawn
}

// New returns a panel that shows an empty home screen. The clock, which may be
// nil, is for the time that people have left to answer.
func New(now func() time.Time) (*Panel, error) {
	fonts, err := paint.NewFonts()
	if err != nil {
		return nil, err
	}
	brush, err := paint.NewFonts()
	if err != nil {
		return nil, err
	}
	p := &Panel{
		answers: make(chan Answer, 1),
		now:     now,
		fonts:   fonts,
		brush:   brush,
		changed: make(chan struct{}),
	}
	p.Show(Screen{})
	return p, nil
}

// Show replaces what is shown. What was typed is wiped, and an answer to the
// screen before that nobody has taken is dropped.
func (p *Panel) Show(s Screen) {
	s.Text, s.Items = slices.Clone(s.Text), slices.Clone(s.Items)
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case a := <-p.answers:
		clear(a.Digits)
	default:
	}
	p.entry.leave()
	p.screen, p.entry, p.answered = s, enter(s), false
	p.number++
	p.change()
}

// Answers delivers what people answer: at most one answer to each screen, which
// waits until it is taken or the screen is replaced. Whoever takes the digits of
// a PIN wipes them.
func (p *Panel) Answers() <-chan Answer { return p.answers }

// Shown returns the screen that is shown.
func (p *Panel) Shown() Screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.screen
	s.Text, s.Items = slices.Clone(s.Text), slices.Clone(s.Items)
	return s
}

// Fits reports whether all text of s has room: what is too long is shown with an
// ellipsis at its end.
func (p *Panel) Fits(s Screen) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := view{Screen: s, entry: enter(s), left: noTime}
	for v.top = range max(1, len(s.Items)) { // until each item was in sight
		if _, fits := layOut(v, p.fonts); !fits {
			return false
		}
	}
	return true
}

// Changed returns a number that grows with each change of what is seen, and a
// channel that is closed at the next one. The time left is no change: it is seen
// when somebody looks.
func (p *Panel) Changed() (revision uint64, next <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.revision, p.changed
}

// change lays the screen out anew and tells everybody. p.mu is held.
func (p *Panel) change() {
	p.layOut(p.view())
	p.revision++
	close(p.changed)
	p.changed = make(chan struct{})
}

// layOut makes the parts of v, in a new slice: frames keep the one before. p.mu
// is held.
func (p *Panel) layOut(v view) {
	p.parts, _ = layOut(v, p.fonts)
	p.laid = v.left
}

// view returns all that the picture depends on. p.mu is held.
func (p *Panel) view() view { return view{Screen: p.screen, entry: p.entry, left: p.left()} }

// left returns how much time there is to answer, in whole seconds and at least 0,
// or noTime. p.mu is held.
func (p *Panel) left() time.Duration {
	if p.now == nil || p.screen.Until.IsZero() {
		return noTime
	}
	left := p.screen.Until.Sub(p.now())
	return max(0, (left+time.Second-1)/time.Second*time.Second)
}

// noTime says that there is no limit.
const noTime = -time.Second

// Frame is what there is to see at one moment.
type Frame struct {
	Revision uint64      // as of Changed
	Screen   uint64      // counts the screens that were shown: see Input
	Image    *image.RGBA // Width by Height; shared: not to be changed
	Text     string      // what a screen reader says
	Controls []Control   // what can be touched
	Timed    bool        // the time left is shown: look again in a second
}

// Control is something on the screen that can be touched.
type Control struct {
	Area image.Rectangle
	Name string // what stands there, or what its icon says
}

// drawn is the last picture, and of what it is.
type drawn struct {
	image    *image.RGBA
	revision uint64
	left     time.Duration
}

// Frame draws what is shown now. Without a change since, it is the last picture.
func (p *Panel) Frame() Frame {
	p.drawing.Lock()
	defer p.drawing.Unlock()
	p.mu.Lock()
	v := p.view()
	if v.left != p.laid {
		p.layOut(v)
	}
	parts, marks := p.parts, v.marks()
	f := Frame{Revision: p.revision, Screen: p.number, Text: describe(v), Controls: controls(parts), Timed: v.left >= 0}
	p.mu.Unlock()
	if p.drawn.image == nil || p.drawn.revision != f.Revision || p.drawn.left != v.left {
		p.drawn = drawn{image: drawParts(parts, marks, p.brush), revision: f.Revision, left: v.left}
	}
	f.Image = p.drawn.image
	return f
}

// Image returns the picture: Width by Height, and not to be changed.
func (p *Panel) Image() image.Image { return p.Frame().Image }

// Text returns what the screen says, for people who cannot see it and for
// scripts. Of a PIN it tells how many digits were typed.
func (p *Panel) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return describe(p.view())
}

// controls returns the parts that can be touched and have a name.
func controls(parts []part) []Control {
	var out []Control
	for _, p := range parts {
		if name := p.name + p.text; p.act != (act{}) && name != "" {
			out = append(out, Control{Area: p.area, Name: name})
		}
	}
	return out
}
