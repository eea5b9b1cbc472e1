package page_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"usbhsm7/touchscreen"
	"usbhsm7/touchscreen/page"
)

// recorder keeps all that a server writes to its connections.
type recorder struct {
	net.Listener
	mu   sync.Mutex
	sent bytes.Buffer
}

func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return recorded{c, r}, nil
}

type recorded struct {
	net.Conn
	by *recorder
}

func (c recorded) Write(b []byte) (int, error) {
	c.by.mu.Lock()
	c.by.sent.Write(b)
	c.by.mu.Unlock()
	return c.Conn.Write(b)
}

// TestNoMessageHoldsThePIN types a PIN by finger and by key, and searches all that
// the device sends for it; and two PINs make the device send the same bytes.
func TestNoMessageHoldsThePIN(t *testing.T) {
	one, other := session(t, "83719264"), session(t, "20565109")
	if bytes.Contains(one, []byte("83719264")) || bytes.Contains(other, []byte("20565109")) {
		t.Error("a PIN was sent back")
	}
	if !bytes.Equal(one, other) {
		t.Errorf("%d and %d bytes were sent, and they differ: they depend on the PIN", len(one), len(other))
	}
}

// session returns what the device sends from the moment at which it shows the pad
// until the last digit of pin is typed.
func session(t *testing.T, pin string) []byte {
	t.Helper()
	d := newDesk(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wire := &recorder{Listener: inner}
	server := httptest.NewUnstartedServer(page.New(d.panel, d.shelf, d.token))
	server.Listener.Close()
	server.Listener = wire
	server.Start()
	defer server.Close()
	d.server.URL = server.URL
	socket := d.open(t)
	until(t, socket, func(kind websocket.MessageType, _ []byte) bool { return kind == websocket.MessageBinary }) // all that follows is a change
	d.panel.Show(touchscreen.Screen{Kind: touchscreen.PIN, Title: "PIN of the iKey", Min: 4, Max: 48})
	until(t, socket, says("PIN of the iKey"))
	for i, digit := range strings.Split(pin, "") {
		if i%2 == 0 {
			send(t, socket, `{"do":"key","key":"`+digit+`"}`)
		} else {
			at := middleOf(t, d.panel, digit)
			send(t, socket, `{"do":"down",`+at+`}`)
			send(t, socket, `{"do":"up",`+at+`}`)
		}
		if i == 0 {
			until(t, socket, says("(1 digit)"))
		} else {
			until(t, socket, says(strings.Repeat("•", i+1)+" ("))
		}
	}
	send(t, socket, `{"do":"key","key":"Enter"}`)
	if a := <-d.panel.Answers(); string(a.Digits) != pin {
		t.Errorf("answer %q", a.Digits)
	}
	wire.mu.Lock()
	defer wire.mu.Unlock()
	_, sent, shown := bytes.Cut(wire.sent.Bytes(), []byte("PIN of the iKey"))
	sent, _, typed := bytes.Cut(sent, []byte("(8 digits)"))
	if !shown || !typed {
		t.Fatal("the session is not in what was sent")
	}
	return bytes.Clone(sent)
}

// middleOf returns the middle of what has that name, as a page sends it.
func middleOf(t *testing.T, panel *touchscreen.Panel, name string) string {
	t.Helper()
	for _, c := range panel.Frame().Controls {
		if c.Name == name {
			middle := c.Area.Min.Add(c.Area.Max).Div(2)
			return fmt.Sprintf(`"x":%d,"y":%d`, middle.X, middle.Y)
		}
	}
	t.Fatalf("there is no %q on the screen", name)
	return ""
}
