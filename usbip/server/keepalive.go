package server

import (
	"net"
	"time"
)

// deadPeer is how long a host that vanished without a word keeps its device.
const deadPeer = 25 * time.Second

// keepAlive lets TCP notice a host that vanished: idle connections by probes,
// connections with unacknowledged data by a limit on its age.
func keepAlive(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	config := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	if err := tcp.SetKeepAliveConfig(config); err != nil {
		return // the connection works without
	}
	limitUnacknowledged(tcp, deadPeer)
}
