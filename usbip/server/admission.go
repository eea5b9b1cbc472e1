package server

import (
	"net"
	"slices"
	"sync"
)

// admission bounds the connections that have no device. When there are as many
// as may be, the oldest gives way to a newcomer, so that nobody can keep others
// out by connecting and saying nothing. A connection that has a device does not
// count: there can be no more of them than devices.
type admission struct {
	limit int

	mu     sync.Mutex
	guests []*guest // in the order in which they came
}

// guest is a connection that has no device yet. The lock of its admission guards
// it.
type guest struct {
	conn    net.Conn
	evicted bool
}

// enter admits a connection. evicted is the one that had to give way, if any.
func (a *admission) enter(conn net.Conn) (g *guest, evicted net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.guests) >= a.limit {
		oldest := a.guests[0]
		oldest.evicted = true
		evicted = oldest.conn
		a.guests = slices.Delete(a.guests, 0, 1)
	}
	g = &guest{conn: conn}
	a.guests = append(a.guests, g)
	return g, evicted
}

// leave stops counting a connection, because it has ended or gets a device. It
// reports false if the connection had to give way.
func (a *admission) leave(g *guest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.guests = slices.DeleteFunc(a.guests, func(other *guest) bool { return other == g })
	return !g.evicted
}
