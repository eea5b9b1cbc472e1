package main

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
	"usbhsm7/touchscreen/page"
)

func newDrawer(t *testing.T) *drawer {
	t.Helper()
	keys := ring.New(ikey.NewPort(), nil)
	t.Cleanup(keys.Close)
	return &drawer{front: person.Front{Keys: keys}, changed: make(chan struct{})}
}

func TestPeopleWriteOnStickersWhatTheyLike(t *testing.T) {
	d := newDrawer(t)
	for _, text := range []string{"SO 1 of 3", "plain", "Müller & Söhne"} {
		if err := d.Make(text, "blue"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	want := []page.Key{
		{Name: "m-ller-s-hne", Colour: "blue", Note: "Müller & Söhne"},
		{Name: "plain", Colour: "blue"},
		{Name: "so-1-of-3", Colour: "blue", Note: "SO 1 of 3"},
	}
	if got := d.Keys(); !slices.Equal(got, want) {
		t.Errorf("the drawer has %+v, want %+v", got, want)
	}
	for _, text := range []string{"", "!!!", "plain"} {
		if err := d.Make(text, "blue"); !errors.Is(err, ring.ErrName) && !errors.Is(err, ring.ErrExists) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// pipes is a listener for connections within the test, which waiting cannot stop.
type pipes struct{ made chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p.made
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error { return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// TestWhoSaysNothingIsLetGo: whatever is missing of a request, and after an answer
// if nothing follows, so that nobody uses connections up.
func TestWhoSaysNothingIsLetGo(t *testing.T) {
	for name, said := range map[string]string{
		"nothing":                    "",
		"half of a header":           "GET / HTTP/1.1\r\nHost: 127.0",
		"a header without its end":   "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
		"a body that does not come":  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n",
		"one request and no more":    "GET /icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"a WebSocket without a word": "GET /screen HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				listener := pipes{make(chan net.Conn)}
				served := make(chan error, 1)
				go func() { served <- servePage(ctx, listener, page.New(nil, nil, "token"), newDrawer(t)) }()
				here, there := net.Pipe()
				listener.made <- there
				begun := time.Now()
				go func() { _, _ = io.WriteString(here, said) }()
				_, _ = io.Copy(io.Discard, here) // until the other side closes
				if waited := time.Since(begun); waited > 2*pageTimeout {
					t.Errorf("it took %v", waited)
				}
				_ = here.Close()
				stop()
				close(listener.made)
				<-served
			})
		})
	}
}

func TestEveryStickerOfThePageIsOneOfTheRing(t *testing.T) {
	d := newDrawer(t)
	for _, colour := range page.Colours {
		if err := d.Make("key-"+colour, colour); err != nil {
			t.Error(err)
		}
	}
}
