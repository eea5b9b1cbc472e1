package page

import (
	"context"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"usbhsm7/touchscreen"
)

// Limits.
const (
	// MaxClients is how many pages can be open at once. The next one is refused.
	MaxClients = 8
	// tokenSize is the size of a token in bytes, before it is written in base64.
	tokenSize = 24
)

// protocol is the name of what the WebSocket carries, and tokenPrefix what stands
// before the token in the other name that a page offers.
const (
	protocol    = "usbhsm7.screen.1"
	tokenPrefix = "token."
)

//go:embed static
var files embed.FS

// Page serves the page. It is an http.Handler for a whole server.
type Page struct {
	panel  *touchscreen.Panel
	drawer Drawer
	token  string
	mux    *http.ServeMux
	slots  chan struct{} // holds one element for each client

	context context.Context // ends with Close
	stop    context.CancelFunc
	mu      sync.Mutex // guards clients against Close
	clients sync.WaitGroup
}

// NewToken returns a token for New that nobody can guess.
func NewToken(random io.Reader) (string, error) {
	b := make([]byte, tokenSize)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("make a token for the page: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// New returns the page of panel. Without a drawer, which may be nil, it shows the
// screen alone. The token is what NewToken returned.
func New(panel *touchscreen.Panel, drawer Drawer, token string) *Page {
	p := &Page{panel: panel, drawer: drawer, token: token, mux: http.NewServeMux(), slots: make(chan struct{}, MaxClients)}
	p.context, p.stop = context.WithCancel(context.Background())
	static, _ := fs.Sub(files, "static") // cannot fail: the folder is part of the program
	p.mux.Handle("GET /", http.FileServerFS(static))
	p.mux.HandleFunc("GET /screen", p.connect)
	return p
}

// URL returns the address of the page on a listener, with the token.
func (p *Page) URL(listener net.Addr) string {
	return "http://" + listener.String() + "/#" + p.token
}

// Close ends all connections, and returns when they have ended. The server that
// p handles requests for should be shut down before: it does not know of them.
func (p *Page) Close() {
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	p.clients.Wait()
}

// policy allows the page what it is made of, and nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP serves the page to this machine only: a name that somebody else's
// server of names points to a loopback address is refused.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !loopback(r.Host) {
		http.Error(w, "the page is served to this machine only: use 127.0.0.1 or localhost", http.StatusForbidden)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	p.mux.ServeHTTP(w, r)
}

// loopback reports whether host, with or without a port, names this machine.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// connect opens the WebSocket of a page.
func (p *Page) connect(w http.ResponseWriter, r *http.Request) {
	if !p.knows(r) {
		http.Error(w, "the token is missing or wrong: open the address that the simulator printed", http.StatusUnauthorized)
		return
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		http.Error(w, fmt.Sprintf("%d pages are open already: close one", MaxClients), http.StatusServiceUnavailable)
		return
	}
	if !p.enter() {
		http.Error(w, "the device is being shut down", http.StatusServiceUnavailable)
		return
	}
	defer p.clients.Done()
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}})
	if err != nil {
		return // Accept has answered: another origin, or no WebSocket
	}
	newClient(p, socket).run(p.context)
}

// enter counts a client, unless the page was closed.
func (p *Page) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.context.Err() != nil {
		return false
	}
	p.clients.Add(1)
	return true
}

// knows reports whether one of the subprotocols that r offers holds the token.
func (p *Page) knows(r *http.Request) bool {
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(header, ",") {
			token, is := strings.CutPrefix(strings.TrimSpace(name), tokenPrefix)
			if is && p.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(p.token)) == 1 {
				return true
			}
		}
	}
	return false
}
