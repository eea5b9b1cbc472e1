package page_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"usbhsm7/touchscreen"
	"usbhsm7/touchscreen/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a device with a page, and what is needed to use it.
type desk struct {
	panel  *touchscreen.Panel
	shelf  *shelf
	page   *page.Page
	server *httptest.Server
	token  string
}

func newDesk(t testing.TB, keys ...page.Key) *desk {
	t.Helper()
	panel, err := touchscreen.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := page.NewToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{panel: panel, shelf: newShelf(keys...), token: token}
	d.page = page.New(panel, d.shelf, token)
	d.server = httptest.NewServer(d.page)
	t.Cleanup(func() {
		d.server.Close()
		d.page.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return d
}

// visitor says how somebody comes to the page.
type visitor struct {
	token  string
	origin string
	host   string
}

// dial opens the WebSocket as v does.
func (d *desk) dial(ctx context.Context, v visitor) (*websocket.Conn, *http.Response, error) {
	options := &websocket.DialOptions{Host: v.host, HTTPHeader: http.Header{}}
	if v.token != "" {
		options.Subprotocols = []string{"usbhsm7.screen.1", "token." + v.token}
	}
	if v.origin != "" {
		options.HTTPHeader.Set("Origin", v.origin)
	}
	return websocket.Dial(ctx, d.server.URL+"/screen", options)
}

// open opens the WebSocket as the page does.
func (d *desk) open(t testing.TB) *websocket.Conn {
	t.Helper()
	socket, _, err := d.dial(t.Context(), visitor{token: d.token, origin: d.server.URL})
	if err != nil {
		t.Fatal(err)
	}
	socket.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = socket.CloseNow() })
	return socket
}

func send(t testing.TB, socket *websocket.Conn, request string) {
	t.Helper()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(request)); err != nil {
		t.Fatal(err)
	}
}

// until reads messages until wanted says that it is the one.
func until(t testing.TB, socket *websocket.Conn, wanted func(kind websocket.MessageType, b []byte) bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for {
		kind, b, err := socket.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if wanted(kind, b) {
			return
		}
	}
}

// says is for until: a message in words that holds text.
func says(text string) func(websocket.MessageType, []byte) bool {
	return func(kind websocket.MessageType, b []byte) bool {
		return kind == websocket.MessageText && strings.Contains(string(b), text)
	}
}

func TestOnlyThePageOfThisMachineWithTheTokenIsLetIn(t *testing.T) {
	d := newDesk(t)
	port := d.server.URL[strings.LastIndex(d.server.URL, ":"):]
	tests := []struct {
		name string
		who  visitor
		want int
	}{
		{"the page", visitor{d.token, d.server.URL, ""}, http.StatusSwitchingProtocols},
		{"the page, by name", visitor{d.token, "http://localhost" + port, "localhost" + port}, http.StatusSwitchingProtocols},
		{"a program", visitor{d.token, "", ""}, http.StatusSwitchingProtocols},
		{"no token", visitor{"", d.server.URL, ""}, http.StatusUnauthorized},
		{"another token", visitor{strings.Repeat("A", len(d.token)), d.server.URL, ""}, http.StatusUnauthorized},
		{"part of the token", visitor{d.token[:len(d.token)-1], d.server.URL, ""}, http.StatusUnauthorized},
		{"token and more", visitor{d.token + "A", d.server.URL, ""}, http.StatusUnauthorized},
		{"a page from elsewhere", visitor{d.token, "https://example.org", ""}, http.StatusForbidden},
		{"a page of another port", visitor{d.token, "http://127.0.0.1:1", ""}, http.StatusForbidden},
		{"a page without origin", visitor{d.token, "null", ""}, http.StatusForbidden},
		{"a name that points here", visitor{d.token, "http://example.org" + port, "example.org" + port}, http.StatusForbidden},
		{"an address of the network", visitor{d.token, "http://192.0.2.1" + port, "192.0.2.1" + port}, http.StatusForbidden},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			socket, response, err := d.dial(t.Context(), test.who)
			if err == nil {
				_ = socket.CloseNow()
			}
			if response == nil || response.StatusCode != test.want {
				t.Fatalf("%v: answer %+v, want status %d", err, response, test.want)
			}
		})
	}
}

func TestEmptyTokenOpensNothing(t *testing.T) {
	d := newDesk(t)
	server := httptest.NewServer(page.New(d.panel, nil, ""))
	defer server.Close()
	_, response, err := websocket.Dial(t.Context(), server.URL+"/screen", &websocket.DialOptions{Subprotocols: []string{"usbhsm7.screen.1", "token."}})
	if err == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("answer %+v, %v", response, err)
	}
}

func TestFilesOfThePage(t *testing.T) {
	d := newDesk(t)
	for path, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8",
		"/app.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
	} {
		response, err := http.Get(d.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: status %d, type %q", path, response.StatusCode, got)
		}
		csp := response.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func TestNonsenseEndsTheConnectionAndTouchesNothing(t *testing.T) {
	tests := []struct {
		name string
		kind websocket.MessageType
		data string
		want websocket.StatusCode
	}{
		{"no JSON", websocket.MessageText, "touch me", websocket.StatusPolicyViolation},
		{"nothing", websocket.MessageText, "", websocket.StatusPolicyViolation},
		{"a list", websocket.MessageText, "[]", websocket.StatusPolicyViolation},
		{"unknown request", websocket.MessageText, `{"do":"erase"}`, websocket.StatusPolicyViolation},
		{"no request", websocket.MessageText, `{"key":"Enter"}`, websocket.StatusPolicyViolation},
		{"text for a number", websocket.MessageText, `{"do":"tap","x":"1"}`, websocket.StatusPolicyViolation},
		{"a number out of range", websocket.MessageText, `{"do":"tap","x":1e99}`, websocket.StatusPolicyViolation},
		{"two objects", websocket.MessageText, `{"do":"key","key":"Enter"}{}`, websocket.StatusPolicyViolation},
		{"binary", websocket.MessageBinary, `{"do":"key","key":"Enter"}`, websocket.StatusPolicyViolation},
		{"too long", websocket.MessageText, `{"do":"key","key":"` + strings.Repeat("E", 600) + `"}`, websocket.StatusMessageTooBig},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			socket := d.open(t)
			if err := socket.Write(t.Context(), test.kind, []byte(test.data)); err != nil {
				t.Fatal(err)
			}
			var err error
			for err == nil {
				_, _, err = socket.Read(t.Context())
			}
			if got := websocket.CloseStatus(err); got != test.want {
				t.Errorf("closed with %v: %v", got, err)
			}
			select {
			case a := <-d.panel.Answers():
				t.Errorf("answer %+v", a)
			default:
			}
		})
	}
}

func TestTwoPagesThatTouchAtOnceGiveOneAnswer(t *testing.T) {
	d := newDesk(t)
	one, other := d.open(t), d.open(t)
	for range 20 {
		d.panel.Show(touchscreen.Screen{Kind: touchscreen.YesNo, Title: "Sure?"})
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_ = other.Write(t.Context(), websocket.MessageText, []byte(`{"do":"key","key":"n"}`))
		}()
		send(t, one, `{"do":"key","key":"y"}`)
		<-sent
		<-d.panel.Answers()
	}
	// Both have been heard when each has been told of what came after.
	for _, socket := range []*websocket.Conn{one, other} {
		send(t, socket, `{"do":"insert","name":"nothing"}`)
		until(t, socket, says("no such key"))
	}
	select {
	case a := <-d.panel.Answers():
		t.Errorf("a second answer to the last screen: %+v", a)
	default:
	}
}

func TestTouchMeantForTheScreenBeforeIsIgnored(t *testing.T) {
	d := newDesk(t)
	socket := d.open(t)
	d.panel.Show(touchscreen.Screen{Kind: touchscreen.YesNo, Title: "Make a key?"})
	var seen struct{ Screen uint64 }
	until(t, socket, func(_ websocket.MessageType, b []byte) bool {
		return says("Make a key?")(websocket.MessageText, b) && json.Unmarshal(b, &seen) == nil
	})
	d.panel.Show(touchscreen.Screen{Kind: touchscreen.YesNo, Title: "Destroy all keys?"})
	request, _ := json.Marshal(map[string]any{"do": "key", "key": "y", "screen": seen.Screen})
	send(t, socket, string(request))
	send(t, socket, `{"do":"insert","name":"nothing"}`)
	until(t, socket, says("no such key"))
	select {
	case a := <-d.panel.Answers():
		t.Errorf("answer %+v", a)
	default:
	}
}

func TestPageOverTheLimitIsRefused(t *testing.T) {
	d := newDesk(t)
	for range page.MaxClients {
		until(t, d.open(t), says(`"screen"`))
	}
	_, response, err := d.dial(t.Context(), visitor{token: d.token})
	if err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answer %+v, %v", response, err)
	}
}

func TestPageThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	d := newDesk(t)
	d.open(t) // and never read
	quick := d.open(t)
	for value := range 101 {
		d.panel.Show(touchscreen.Screen{Kind: touchscreen.Progress, Title: strings.Repeat("W", value), Value: value})
	}
	until(t, quick, says("100 %"))
}

func TestCloseEndsAllPages(t *testing.T) {
	d := newDesk(t)
	socket := d.open(t)
	until(t, socket, says(`"screen"`))
	d.page.Close()
	var err error
	for err == nil {
		_, _, err = socket.Read(t.Context())
	}
	if _, response, err := d.dial(t.Context(), visitor{token: d.token}); err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after Close: %+v, %v", response, err)
	}
}

func TestDrawer(t *testing.T) {
	d := newDesk(t, page.Key{Name: "SO 1", Colour: "blue"})
	socket := d.open(t)
	until(t, socket, says(`"keys":[{"name":"SO 1","colour":"blue"`))
	send(t, socket, `{"do":"insert","name":"SO 1"}`)
	until(t, socket, says(`"inPort":true`))
	send(t, socket, `{"do":"insert","name":"SO 1"}`)
	until(t, socket, says("pull it out first"))
	send(t, socket, `{"do":"make","name":"CO 1","colour":"black"}`)
	until(t, socket, says(`"name":"CO 1"`))
	send(t, socket, `{"do":"remove"}`)
	until(t, socket, says(`"inPort":false`))
	if name := d.shelf.inPort(); name != "" {
		t.Errorf("%s is in the port", name)
	}
}
