package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/ikey/ring"
	"usbhsm7/touchscreen/page"
	"usbhsm7/usbip/socket"
)

// pageTimeout bounds the time in which a browser says what it wants, takes the
// answer, and asks for more. The WebSocket has no part in it.
const pageTimeout = 10 * time.Second

// checkScreen refuses to serve the page to other machines: who has it has the
// fingers of everybody in front of the device.
func (o options) checkScreen() error {
	if o.screen == "" || socket.Local(o.screen) && !strings.HasPrefix(o.screen, "unix:") {
		return nil
	}
	return errors.New("--screen " + o.screen + " is not an address of this machine alone, such as 127.0.0.1:0")
}

// openPage opens the door for browsers, if there is to be one. It returns what
// serves it until ctx ends.
func (u *unit) openPage(ctx context.Context) (serve func() error, err error) {
	if u.options.screen == "" {
		return nil, nil
	}
	token, err := page.NewToken(rand.Reader)
	if err != nil {
		return nil, err
	}
	listener, err := listen(ctx, u.options.screen, nil, "--screen")
	if err != nil {
		return nil, err
	}
	keys := &drawer{front: u.front(), changed: make(chan struct{})}
	p := page.New(u.panel, keys, token)
	u.page = p.URL(listener.Addr())
	return func() error { return servePage(ctx, listener, p, keys) }, nil
}

func servePage(ctx context.Context, listener net.Listener, p *page.Page, keys *drawer) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { keys.watch(ctx) })
	server := &http.Server{Handler: p, ReadTimeout: pageTimeout, WriteTimeout: pageTimeout, IdleTimeout: pageTimeout}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		err := server.Shutdown(context.WithoutCancel(ctx))
		p.Close()
		ended <- err
	})
	err := server.Serve(listener)
	if !stop() {
		return <-ended
	}
	return fmt.Errorf("serving the screen: %w", err)
}

// drawer shows the ring of iKeys to the page.
type drawer struct {
	front person.Front

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
}

var _ page.Drawer = (*drawer)(nil)

// watch tells all pages of each change, until ctx ends.
func (d *drawer) watch(ctx context.Context) {
	for {
		select {
		case <-d.front.Keys.Changes():
			d.mu.Lock()
			close(d.changed)
			d.changed = make(chan struct{})
			d.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// Keys implements page.Drawer. A folder that cannot be read is an empty drawer.
func (d *drawer) Keys() []page.Key {
	all, _ := d.front.Keys.Keys()
	keys := make([]page.Key, 0, len(all))
	for _, k := range all {
		shown := page.Key{Name: k.Name, Colour: k.Colour, Note: k.Text, InPort: k.InPort, Out: k.Lost}
		if k.Lost {
			shown.Note = "lost"
		}
		keys = append(keys, shown)
	}
	return keys
}

// Insert implements page.Drawer.
func (d *drawer) Insert(name string) error { return d.front.Insert(context.Background(), name) }

// Remove implements page.Drawer.
func (d *drawer) Remove() error { return d.front.Keys.Remove() }

// Make implements page.Drawer. A key has a name that can be that of a file; what
// people wrote stands on its sticker.
func (d *drawer) Make(text, colour string) error {
	err := d.front.Keys.Make(text, colour)
	if !errors.Is(err, ring.ErrName) {
		return err
	}
	name := fileName(text)
	if err := d.front.Keys.Make(name, colour); err != nil {
		return err
	}
	return d.front.Keys.Sticker(name, colour, text)
}

// fileName makes a name of what people write, such as so-1-of-3 of "SO 1 of 3".
func fileName(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "-")
}

// Changed implements page.Drawer.
func (d *drawer) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}
