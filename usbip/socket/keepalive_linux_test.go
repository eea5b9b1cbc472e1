package socket_test

import (
	"crypto/tls"
	"net"
	"syscall"
	"testing"

	"usbhsm7/usbip/socket"
)

// options are what the tests look at, with the value that KeepAlive sets.
var options = []struct {
	name          string
	level, option int
	want          int
}{
	{"SO_KEEPALIVE", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
	{"TCP_KEEPIDLE in seconds", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 10},
	{"TCP_KEEPINTVL in seconds", syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 5},
	{"TCP_KEEPCNT", syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 3},
	{"TCP_USER_TIMEOUT in milliseconds", syscall.IPPROTO_TCP, 18, int(socket.DeadPeer.Milliseconds())},
}

func TestDeadPeersAreNoticedAlsoBelowTLS(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return c },
		"TLS":   func(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{ServerName: "localhost"}) },
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", listen(t, "127.0.0.1:0"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			socket.KeepAlive(wrap(conn))
			raw, err := conn.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			err = raw.Control(func(fd uintptr) {
				for _, o := range options {
					if got, err := syscall.GetsockoptInt(int(fd), o.level, o.option); err != nil || got != o.want {
						t.Errorf("%s is %d, %v, want %d", o.name, got, err, o.want)
					}
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKeepAliveLeavesOtherConnectionsAlone(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	socket.KeepAlive(a)
}
