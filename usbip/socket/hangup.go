package socket

import (
	"net"
	"syscall"
)

// HungUp reports whether the other side has closed the connection, or its half
// of it, or the connection has failed, and does so also while bytes that came
// before are unread: that is how a reader who takes no more for now learns of the
// end. It looks through TLS to the connection below. Where nobody can tell, which
// is on other systems than Linux and on connections that are no sockets, it
// reports false.
func HungUp(conn net.Conn) bool {
	socket, ok := below(conn).(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	_ = raw.Control(func(fd uintptr) { gone = hungUp(int(fd)) })
	return gone
}
