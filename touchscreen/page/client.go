package page

import (
	"context"
	"encoding/json"
	"image"
	"slices"
	"time"

	"github.com/coder/websocket"

	"usbhsm7/touchscreen"
)

const (
	// writeTimeout is how long a page may take to read what it is sent. It holds
	// up nobody but itself.
	writeTimeout = 10 * time.Second
	// tick is how often the time left is looked at while it is shown.
	tick = time.Second
)

// client is a page that is open. What has changed is found out by comparison with
// what it was sent last, so a slow page is sent fewer pictures and never old ones.
type client struct {
	page    *Page
	socket  *websocket.Conn
	refused chan string // what could not be done, for the person

	sent     *image.RGBA
	screen   uint64
	text     string
	controls []control
	keys     []Key
	begun    bool
}

func newClient(p *Page, socket *websocket.Conn) *client {
	return &client{page: p, socket: socket, refused: make(chan string, 1)}
}

// run serves the page until it is closed or ctx ends.
func (c *client) run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer stop()
		c.write(ctx)
	}()
	c.read(ctx)
	stop()
	<-written
	_ = c.socket.CloseNow() // closed by now, or gone
}

// read does what the page asks for, until it asks for nonsense.
func (c *client) read(ctx context.Context) {
	c.socket.SetReadLimit(maxRequest)
	for {
		kind, b, err := c.socket.Read(ctx)
		if err != nil {
			return
		}
		r, err := parse(b)
		clear(b)
		if err != nil || kind != websocket.MessageText {
			_ = c.socket.Close(websocket.StatusPolicyViolation, errRequest.Error())
			return
		}
		if err := dos[r.Do](c.page, r); err != nil {
			select {
			case c.refused <- err.Error():
			default: // one is waiting already
			}
		}
	}
}

// write tells the page what changes.
func (c *client) write(ctx context.Context) {
	for {
		_, changed := c.page.panel.Changed()
		var drawer <-chan struct{}
		if c.page.drawer != nil {
			drawer = c.page.drawer.Changed()
		}
		frame := c.page.panel.Frame()
		if c.show(ctx, frame) != nil || c.showDrawer(ctx) != nil {
			return
		}
		var again <-chan time.Time
		if frame.Timed {
			again = time.After(tick)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-drawer:
		case <-again:
		case text := <-c.refused:
			if c.tell(ctx, message{Type: "refused", Text: &text}) != nil {
				return
			}
		}
	}
}

// show sends what is different in frame from what was sent before.
func (c *client) show(ctx context.Context, frame touchscreen.Frame) error {
	m := message{Type: "screen", Screen: frame.Screen}
	if !c.begun || frame.Text != c.text {
		m.Text = &frame.Text
	}
	controls := controlsOf(frame)
	if !c.begun || !slices.Equal(controls, c.controls) {
		m.Controls = &controls
	}
	if m.Text != nil || m.Controls != nil || frame.Screen != c.screen {
		if err := c.tell(ctx, m); err != nil {
			return err
		}
	}
	picture, err := patches(c.sent, frame.Image)
	if err == nil && len(picture) > 0 {
		err = c.send(ctx, websocket.MessageBinary, picture)
	}
	c.begun, c.text, c.controls, c.screen, c.sent = true, frame.Text, controls, frame.Screen, frame.Image
	return err
}

// showDrawer sends the keys if they are different from those sent before.
func (c *client) showDrawer(ctx context.Context) error {
	if c.page.drawer == nil {
		return nil
	}
	keys := c.page.drawer.Keys()
	if c.keys != nil && slices.Equal(keys, c.keys) {
		return nil
	}
	c.keys = append([]Key{}, keys...)
	return c.tell(ctx, message{Type: "drawer", Keys: &c.keys, Colours: Colours})
}

func (c *client) tell(ctx context.Context, m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return c.send(ctx, websocket.MessageText, b)
}

func (c *client) send(ctx context.Context, kind websocket.MessageType, b []byte) error {
	ctx, stop := context.WithTimeout(ctx, writeTimeout)
	defer stop()
	return c.socket.Write(ctx, kind, b)
}
