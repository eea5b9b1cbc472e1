package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"
)

// Screen is what the device's screen shows.
type Screen struct {
	Number uint64     `json:"number"` // of screens shown so far, this one included
	ID     string     `json:"id"`     // as docs/trusted-path.md lists them
	Kind   string     `json:"kind"`   // home, list, prompt, pin, yes-no, number, progress, status, failure or off
	Title  string     `json:"title,omitempty"`
	Text   []string   `json:"text,omitempty"`
	Items  []string   `json:"items,omitempty"` // of a list
	Min    int        `json:"min,omitempty"`   // least number or digits
	Max    int        `json:"max,omitempty"`
	Value  int        `json:"value,omitempty"`
	Cancel bool       `json:"cancel,omitempty"`
	Until  *time.Time `json:"until,omitempty"` // of the device's clock: then an answer comes too late
	Says   string     `json:"says"`            // all of it in words, and how many digits are typed
}

// Touch is what a person does to the screen: one of a touch at X and Y, a Key and
// an Answer.
type Touch struct {
	X      *int   `json:"x,omitempty"`      // pixels from the left
	Y      *int   `json:"y,omitempty"`      // pixels from above
	Key    string `json:"key,omitempty"`    // of a keyboard: 0 to 9, Enter, Escape, Backspace, Tab, y, n, arrows
	Answer string `json:"answer,omitempty"` // ok, yes, no, cancel, type DIGITS, number N, choose N
	Screen uint64 `json:"screen,omitempty"` // the Screen.Number that it is meant for; 0: whatever is shown
}

// IKey is an iKey in the drawer of the simulator.
type IKey struct {
	Name   string `json:"name"`
	Colour string `json:"colour,omitempty"` // of its sticker, which no device knows
	Text   string `json:"text,omitempty"`   // on the sticker
	InPort bool   `json:"in_port"`
	Lost   bool   `json:"lost,omitempty"`
}

// NewIKey asks for an iKey: a blank one, or a copy of another.
type NewIKey struct {
	Name   string `json:"name"`
	Colour string `json:"colour,omitempty"`
	CopyOf string `json:"copy_of,omitempty"`
}

// IKeyChange is what happens to an iKey.
type IKeyChange struct {
	Name      string  `json:"name,omitempty"`       // another name
	Colour    *string `json:"colour,omitempty"`     // another sticker
	Text      *string `json:"text,omitempty"`       // on it
	Lost      *bool   `json:"lost,omitempty"`       // lose or find it
	Damage    bool    `json:"damage,omitempty"`     // it cannot be read any more
	Wear      *int    `json:"wear,omitempty"`       // its memory takes so many writes and no more
	PullAfter *int    `json:"pull_after,omitempty"` // it slips out of the port after so many bytes
}

// Plugged says which iKey is in the port.
type Plugged struct {
	Key string `json:"key"` // empty: none
}

// Screen returns what the screen shows, as soon as that is not the screen of this
// number; 0 is never one.
func (c *Client) Screen(ctx context.Context, number uint64) (s Screen, err error) {
	return s, c.Call(ctx, "GET", "/screen?after="+strconv.FormatUint(number, 10), nil, &s)
}

// ScreenPicture writes the picture on the screen to w, a PNG file.
func (c *Client) ScreenPicture(ctx context.Context, w io.Writer) error {
	picture, err := c.Stream(ctx, "GET", "/screen.png", nil)
	if err != nil {
		return err
	}
	defer picture.Close()
	if _, err := io.Copy(w, picture); err != nil {
		return fmt.Errorf("read the picture: %w", err)
	}
	return nil
}

// Touch touches the screen. A touch for a screen that is gone does nothing.
func (c *Client) Touch(ctx context.Context, t Touch) (s Screen, err error) {
	return s, c.send(ctx, "POST", "/touch", t, &s)
}

// IKeys returns the iKeys of the drawer.
func (c *Client) IKeys(ctx context.Context) (keys []IKey, err error) {
	return keys, c.Call(ctx, "GET", "/ikeys", nil, &keys)
}

// MakeIKey makes an iKey.
func (c *Client) MakeIKey(ctx context.Context, k NewIKey) error {
	return c.send(ctx, "POST", "/ikeys", k, nil)
}

// ChangeIKey has something happen to an iKey.
func (c *Client) ChangeIKey(ctx context.Context, name string, change IKeyChange) error {
	return c.send(ctx, "PATCH", "/ikeys/"+url.PathEscape(name), change, nil)
}

// InsertIKey plugs an iKey into the port, after what is there is pulled out.
func (c *Client) InsertIKey(ctx context.Context, name string) error {
	return c.send(ctx, "PUT", "/port", Plugged{name}, nil)
}

// RemoveIKey pulls out what is in the port.
func (c *Client) RemoveIKey(ctx context.Context) error {
	return c.Call(ctx, "DELETE", "/port", nil, nil)
}

// send is Call with a body of JSON.
func (c *Client) send(ctx context.Context, method, path string, body, result any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.Call(ctx, method, path, encoded, result)
}
