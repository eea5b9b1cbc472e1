package socket

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// ErrAddress says that a text is not an address of a form that the package
// comment lists.
var ErrAddress = errors.New("not an address like 127.0.0.1:3240 or unix:/run/hsm.sock")

const unixPrefix = "unix:"

// maxPath is the longest path of a Unix socket: sun_path of unix(7), less the
// NUL that ends it.
const maxPath = 107

// split returns what package net calls the network, and the address on it.
func split(address string) (network, location string, err error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		switch {
		case path == "" || path[0] == '@' || strings.ContainsRune(path, 0):
			return "", "", fmt.Errorf("%q is %w: after unix: comes the path of a file", address, ErrAddress)
		case len(path) > maxPath:
			return "", "", fmt.Errorf("%q is %w: a socket's path has at most %d bytes, this one %d", address, ErrAddress, maxPath, len(path))
		}
		return "unix", path, nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return "", "", fmt.Errorf("%q is %w", address, ErrAddress)
	}
	if _, err := strconv.ParseUint(port, 10, 16); errors.Is(err, strconv.ErrRange) {
		return "", "", fmt.Errorf("%q is %w: a port is at most 65535", address, ErrAddress)
	}
	return "tcp", address, nil
}

// Check returns nil if address has one of the forms of the package comment, and
// otherwise an error that wraps ErrAddress.
func Check(address string) error {
	_, _, err := split(address)
	return err
}

// Local reports whether only this machine can reach what listens on address: a
// Unix socket, or TCP on the loopback interface by number or as "localhost".
func Local(address string) bool {
	network, location, err := split(address)
	if err != nil {
		return false
	}
	if network == "unix" {
		return true
	}
	host, _, _ := net.SplitHostPort(location)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name returns the address of one end of a connection, or of a listener, as
// Dial takes it. The nameless end of a Unix socket is "unix:".
func Name(a net.Addr) string {
	if a.Network() != "unix" {
		return a.String()
	}
	return unixPrefix + strings.TrimPrefix(a.String(), "@")
}
