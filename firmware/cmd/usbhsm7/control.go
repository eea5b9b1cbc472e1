package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"usbhsm7/firmware/control"
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
	listener, err := listenOwner(ctx, path)
	if err != nil && !wanted && errors.Is(err, unix.EINVAL) {
		u.log.Warn().Err(err).Msg("no control socket: give a shorter path with --control")
		return nil, nil
	}
	if err == nil {
		u.control = path
	}
	return listener, err
}

// listenOwner opens a Unix socket that only its owner may use. One that a dead
// simulator left behind is replaced.
func listenOwner(ctx context.Context, path string) (net.Listener, error) {
	if _, err := control.NewClient(path).Status(ctx); errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path) // if that fails, listening does too, and says why
	}
	mask := unix.Umask(0o177)
	defer unix.Umask(mask)
	return listen(ctx, "unix", path, "--control")
}

// serveControl serves the control socket until ctx ends.
func (u *unit) serveControl(ctx context.Context, listener net.Listener) error {
	if listener == nil {
		<-ctx.Done()
		return nil
	}
	return control.NewServer(u).Serve(ctx, listener)
}
