package page_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"usbhsm7/touchscreen"
	"usbhsm7/touchscreen/page"
)

// pipes is a network without buffers: nothing is written that nobody reads.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error { close(p.closed); return nil }

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.connections <- there
	return here, nil
}

// hear reads what the page is told in words until the connection ends.
func hear(socket *websocket.Conn) <-chan string {
	heard := make(chan string, 1000)
	go func() {
		defer close(heard)
		for {
			kind, b, err := socket.Read(context.Background())
			if err != nil {
				return
			}
			if kind == websocket.MessageText {
				heard <- string(b)
			}
		}
	}()
	return heard
}

// await waits until a text is heard.
func await(t *testing.T, heard <-chan string, text string) {
	t.Helper()
	for message := range heard {
		if strings.Contains(message, text) {
			return
		}
	}
	t.Fatalf("the connection ended before it said %q", text)
}

// crowd is a page on such a network, and who has it open.
type crowd struct {
	panel    *touchscreen.Panel
	way      *http.Transport
	visitors []*websocket.Conn
}

const crowdToken = "secret"

// gather serves a page until the test ends.
func gather(t *testing.T) *crowd {
	t.Helper()
	panel, err := touchscreen.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	network := &pipes{connections: make(chan net.Conn), closed: make(chan struct{})}
	served := page.New(panel, nil, crowdToken)
	server, ended := &http.Server{Handler: served}, make(chan error)
	go func() { ended <- server.Serve(network) }()
	c := &crowd{panel: panel, way: &http.Transport{DialContext: network.dial}}
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
		served.Close()
		for _, socket := range c.visitors {
			_ = socket.CloseNow()
		}
		c.way.CloseIdleConnections()
	})
	return c
}

// enter opens the page, and does not read.
func (c *crowd) enter(t *testing.T) (*websocket.Conn, error) {
	socket, _, err := websocket.Dial(t.Context(), "http://127.0.0.1/screen", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: c.way}, Subprotocols: []string{"usbhsm7.screen.1", "token." + crowdToken},
	})
	if err == nil {
		c.visitors = append(c.visitors, socket)
	}
	return socket, err
}

// TestPagesThatNeverReadAreLetGo has all pages but one read nothing. They keep their
// places for as long as a page may take to read, in which nobody else notices, and
// no longer.
func TestPagesThatNeverReadAreLetGo(t *testing.T) {
	const patience = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		c, begin := gather(t), time.Now()
		reader, err := c.enter(t)
		if err != nil {
			t.Fatal(err)
		}
		heard := hear(reader)
		for range page.MaxClients - 1 {
			if _, err := c.enter(t); err != nil {
				t.Fatal(err)
			}
		}
		for step := range 20 {
			title := fmt.Sprintf("Step %d.", step)
			c.panel.Show(touchscreen.Screen{Kind: touchscreen.Status, Title: title})
			await(t, heard, title)
		}
		c.panel.Show(touchscreen.Screen{Kind: touchscreen.YesNo, Title: "Sure?"})
		await(t, heard, "Sure?")
		send(t, reader, `{"do":"key","key":"y"}`)
		if a := <-c.panel.Answers(); a.Action != touchscreen.Yes {
			t.Errorf("answer %+v", a)
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("the page that reads, or the device, waited %v for those that do not", waited)
		}

		time.Sleep(patience - time.Nanosecond)
		if _, err := c.enter(t); err == nil {
			t.Error("there was a place before the time was over")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		for range page.MaxClients - 1 {
			if _, err := c.enter(t); err != nil {
				t.Fatalf("a page that did not read for %v still has its place: %v", patience, err)
			}
		}
		c.panel.Show(touchscreen.Screen{Kind: touchscreen.Status, Title: "Done"})
		await(t, heard, "Done")
	})
}
