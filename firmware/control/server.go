package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// headerTimeout bounds the time in which a client says what it wants.
const headerTimeout = 5 * time.Second

// Server answers on the control socket.
type Server struct {
	mux *http.ServeMux
}

// NewServer returns a server for unit, with these requests:
//
//	GET  /status      the Status
//	POST /power/on    PowerOn, then the Status
//	POST /power/off   PowerOff, then the Status
func NewServer(unit Unit) *Server {
	s := &Server{mux: http.NewServeMux()}
	s.Handle("GET /status", func(w http.ResponseWriter, _ *http.Request) error {
		return Reply(w, unit.Status())
	})
	power := func(turn func(context.Context) error) Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			if err := turn(r.Context()); err != nil {
				return err
			}
			return Reply(w, unit.Status())
		}
	}
	s.Handle("POST /power/on", power(unit.PowerOn))
	s.Handle("POST /power/off", power(unit.PowerOff))
	return s
}

// Handler answers one request. An error is sent to the client as it is, with the
// hint of an Advice: with status 400 if it wraps ErrRequest, 500 otherwise. After an error nothing may
// have been written.
type Handler func(w http.ResponseWriter, r *http.Request) error

// ErrRequest says that the client asked for something that makes no sense.
var ErrRequest = errors.New("bad request to the simulator")

// Handle adds a request; pattern is that of http.ServeMux. It must not be called
// while the server serves.
func (s *Server) Handle(pattern string, h Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			fail(w, err)
		}
	})
}

// Reply sends v as JSON.
func Reply(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// Advice is an error with what to do about it. A Client returns one where the
// simulator gave one.
type Advice struct {
	Err  error
	Hint string
}

// Error returns the text of the error alone.
func (a *Advice) Error() string { return a.Err.Error() }

// Unwrap returns the error.
func (a *Advice) Unwrap() error { return a.Err }

// HintOf returns what to do about err, empty if there is no Advice in it.
func HintOf(err error) string {
	if a := (*Advice)(nil); errors.As(err, &a) {
		return a.Hint
	}
	return ""
}

// failure is the body of a response that tells an error.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// err returns the error that f tells.
func (f failure) err() error {
	err := errors.New(f.Error)
	if f.Hint != "" {
		err = &Advice{err, f.Hint}
	}
	return err
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, ErrRequest) {
		status = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failure{err.Error(), HintOf(err)}) // a client that left is not told
}

// Serve answers requests until ctx ends and closes the listener. Requests under
// way are told by their own context, and Serve returns when they have ended: nil
// if ctx ended, otherwise the error of the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: headerTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { ended <- server.Shutdown(context.WithoutCancel(ctx)) })
	err := server.Serve(listener)
	if !stop() {
		return <-ended
	}
	return fmt.Errorf("serving the control socket: %w", err)
}
