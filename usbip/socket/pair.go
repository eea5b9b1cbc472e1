package socket

import (
	"errors"
	"net"
	"os"
)

// Pair returns two stream sockets that are connected to each other, without an
// address that anybody else could reach. It needs Linux.
func Pair() (a, b *net.UnixConn, err error) {
	ends, err := pair()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	a, errA := unixConn(ends[0])
	b, errB := unixConn(ends[1])
	if err := errors.Join(errA, errB); err != nil {
		for _, end := range []*net.UnixConn{a, b} {
			if end != nil {
				end.Close()
			}
		}
		return nil, nil, err
	}
	return a, b, nil
}

// unixConn takes the descriptor over.
func unixConn(fd int) (*net.UnixConn, error) {
	file := os.NewFile(uintptr(fd), "socketpair")
	defer file.Close() // FileConn has a descriptor of its own
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}
