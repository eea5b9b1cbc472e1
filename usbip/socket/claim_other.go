//go:build !unix

package socket

import "syscall"

// lockFolder locks nothing where folders have no advisory locks.
func lockFolder(string) (unlock func(), err error) { return func() {}, nil }

// restrict does nothing where sockets have no mode.
func restrict(syscall.RawConn) error { return nil }
