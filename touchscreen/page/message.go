package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"

	"usbhsm7/touchscreen"
)

// message is what the page is told in words. Fields that are not there have not
// changed.
type message struct {
	Type string `json:"type"` // "screen", "drawer" or "refused"

	// Of a screen.
	Screen   uint64     `json:"screen,omitempty"` // to be sent back with fingers and keys
	Text     *string    `json:"text,omitempty"`   // also of refused
	Controls *[]control `json:"controls,omitempty"`

	// Of a drawer.
	Keys    *[]Key   `json:"keys,omitempty"`
	Colours []string `json:"colours,omitempty"`
}

// control is what can be touched, in pixels of the picture.
type control struct {
	X    int    `json:"x"`
	Y    int    `json:"y"`
	W    int    `json:"w"`
	H    int    `json:"h"`
	Name string `json:"name"`
}

func controlsOf(frame touchscreen.Frame) []control {
	out := make([]control, 0, len(frame.Controls))
	for _, c := range frame.Controls {
		out = append(out, control{c.Area.Min.X, c.Area.Min.Y, c.Area.Dx(), c.Area.Dy(), c.Name})
	}
	return out
}

// maxRequest bounds what a page sends, in bytes.
const maxRequest = 512

// request is what the page sends: what a person does.
type request struct {
	Do     string `json:"do"` // see dos
	X      int    `json:"x"`
	Y      int    `json:"y"`
	Key    string `json:"key"` // of the keyboard
	Screen uint64 `json:"screen"`
	Name   string `json:"name"` // of an iKey
	Colour string `json:"colour"`
}

// errRequest says that a page sent what no page of ours sends. What it was is not
// repeated: it may be secret.
var errRequest = errors.New("not a request of this page")

// parse reads a request.
func parse(b []byte) (request, error) {
	var r request
	if len(b) > maxRequest || json.Unmarshal(b, &r) != nil {
		return request{}, errRequest
	}
	if _, known := dos[r.Do]; !known {
		return request{}, errRequest
	}
	return r, nil
}

// dos says what the page can ask for. An error is for the person.
var dos = map[string]func(*Page, request) error{
	"tap":    finger(touchscreen.Tap),
	"down":   finger(touchscreen.Down),
	"up":     finger(touchscreen.Up),
	"key":    finger(touchscreen.Stroke),
	"insert": drawn(func(d Drawer, r request) error { return d.Insert(r.Name) }),
	"remove": drawn(func(d Drawer, _ request) error { return d.Remove() }),
	"make":   drawn(func(d Drawer, r request) error { return d.Make(r.Name, r.Colour) }),
}

func finger(phase touchscreen.Phase) func(*Page, request) error {
	return func(p *Page, r request) error {
		p.panel.Do(touchscreen.Input{Phase: phase, At: image.Pt(r.X, r.Y), Key: r.Key, Screen: r.Screen})
		return nil
	}
}

func drawn(do func(Drawer, request) error) func(*Page, request) error {
	return func(p *Page, r request) error {
		if p.drawer == nil {
			return fmt.Errorf("there is no drawer: %w", errors.ErrUnsupported)
		}
		return do(p.drawer, r)
	}
}
