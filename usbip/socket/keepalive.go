package socket

import (
	"net"
	"time"
)

// DeadPeer is after how long a peer that vanished without a word is noticed: a
// server takes its device back, a kernel unplugs its own.
const DeadPeer = 25 * time.Second

// KeepAlive lets TCP notice a peer that vanished: an idle connection by probes
// (10 s, then 5 s three times), one with unacknowledged data by a limit on its
// age. It looks through TLS to the connection below and leaves other kinds of
// connections alone, where the system notices by itself. The settings stay with
// the socket when a kernel takes it over.
func KeepAlive(conn net.Conn) {
	tcp, ok := below(conn).(*net.TCPConn)
	if !ok {
		return
	}
	config := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	if err := tcp.SetKeepAliveConfig(config); err != nil {
		return // the connection works without
	}
	limitUnacknowledged(tcp, DeadPeer)
}

// below returns the connection below TLS and whatever else is on top of it.
func below(conn net.Conn) net.Conn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = outer.NetConn()
	}
}
