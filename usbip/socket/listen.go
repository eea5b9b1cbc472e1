package socket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another server listens on the address.
var ErrInUse = errors.New("another server listens there")

// ErrNotSocket says that the path of a Unix socket holds something else, which
// is left as it is.
var ErrNotSocket = errors.New("there is a file that is not a socket")

// ownerOnly is the mode of a Unix socket: nobody else may connect.
const ownerOnly = 0o600

// Listen listens on address. With a nil config connections are plain; otherwise
// they speak TLS, whose handshake happens at the first Read or Write, or in
// HandshakeContext, of an accepted connection: Accept does not wait for it.
//
// A Unix socket gets mode 0600. The file that a dead server left is replaced;
// closing the listener removes it. Errors: ErrAddress, ErrInUse, ErrNotSocket,
// and those of package net.
func Listen(ctx context.Context, address string, config *tls.Config) (net.Listener, error) {
	network, location, err := split(address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	listen := listenTCP
	if network == "unix" {
		listen = listenUnix
	}
	listener, err := listen(ctx, location)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if config != nil {
		listener = &secureListener{listener, config}
	}
	return listener, nil
}

func listenTCP(ctx context.Context, location string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", location)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return listener, err
}

// listenUnix holds a lock on the folder while it looks at the path and takes it,
// so that of two servers that start at once one is refused.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clearStale(ctx, path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return restrict(raw) }}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, ownerOnly); err != nil { // where restrict had no effect
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// clearStale removes a socket on which nobody listens any more.
func clearStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return ErrNotSocket
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("%w, as far as one can tell: %w", ErrInUse, err)
}
