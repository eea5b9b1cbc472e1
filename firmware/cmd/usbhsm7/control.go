package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"

	"usbhsm7/firmware/control"
	"usbhsm7/usbip/socket"
)

// listenControl opens the control socket, or returns nil if there is to be none.
// By default it is in the state directory, and a device works without it where
// that path is too long for a socket.
func (u *unit) listenControl(ctx context.Context) (net.Listener, error) {
	path, wanted := u.options.control, u.options.control != ""
	switch {
	case !wanted && u.options.ephemeral:
		return nil, nil
	case !wanted:
		path = filepath.Join(u.options.stateDir, "control.sock")
	}
	listener, err := listen(ctx, "unix:"+path, nil, "--control")
	if err != nil && !wanted && errors.Is(err, socket.ErrAddress) {
		u.log.Warn().Err(err).Msg("no control socket: give a shorter path with --control")
		return nil, nil
	}
	if err == nil {
		u.control = path
	}
	return listener, err
}

// serveControl serves the control socket until ctx ends.
func (u *unit) serveControl(ctx context.Context, listener net.Listener) error {
	server := control.NewServer(u)
	u.handleFaults(server)
	u.handleState(server)
	u.handleForks(server)
	u.handleScreen(server)
	u.handleIKeys(server)
	server.Handle("POST /tamper", u.tamper)
	server.Handle("GET /capture", u.streamCapture)
	return server.Serve(ctx, listener)
}

// maxRequest bounds the JSON of a request on the control socket, in bytes.
const maxRequest = 4 << 10

// readRequest decodes the JSON of a request. A member that nobody knows is an
// error: a misspelt one would do nothing, unnoticed.
func readRequest(w http.ResponseWriter, r *http.Request, request any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(request); err != nil {
		return fmt.Errorf("%w: %w", control.ErrRequest, err)
	}
	return nil
}
