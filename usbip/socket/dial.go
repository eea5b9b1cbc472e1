package socket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// ErrNoServer says that nobody listens on the address.
var ErrNoServer = errors.New("no USB/IP server there")

// Dial connects to a server. With a nil config the connection is plain: a
// *net.TCPConn or a *net.UnixConn, which a kernel can take over. Otherwise TLS
// is spoken, and the server's certificate has to name the host of the address,
// or "localhost" for a Unix socket, unless config.ServerName names another.
// Errors: ErrAddress, ErrNoServer, ErrTLS, and what kept the connection from
// being made.
//
// A server that demands a certificate tells only after the handshake that it
// dislikes the one it got: then the first Read returns an error that wraps
// ErrTLS.
func Dial(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	network, location, err := split(address)
	if err != nil {
		return nil, fmt.Errorf("connect to the USB/IP server: %w", err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, location)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) { // the deadline of ctx, noticed by the socket first
			err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
		}
		if errors.Is(err, syscall.ECONNREFUSED) || network == "unix" && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrNoServer, err)
		}
		return nil, fmt.Errorf("connect to the USB/IP server: %w", err)
	}
	KeepAlive(conn)
	if config == nil {
		return conn, nil
	}
	secure := &secured{tls.Client(conn, named(config, network, location))}
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to the USB/IP server at %s: %w", address, err)
	}
	return secure, nil
}

// named returns config with the name that the server's certificate must have.
func named(config *tls.Config, network, location string) *tls.Config {
	if config.ServerName != "" {
		return config
	}
	config = config.Clone()
	config.ServerName = "localhost"
	if network != "unix" {
		config.ServerName, _, _ = net.SplitHostPort(location)
	}
	return config
}
