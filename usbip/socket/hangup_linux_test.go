package socket_test

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"

	"usbhsm7/usbip/socket"
)

// connected returns the two ends of a connection to address.
func connected(t *testing.T, address string) (ours, theirs net.Conn) {
	t.Helper()
	listener, err := socket.Listen(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if theirs, err = socket.Dial(t.Context(), socket.Name(listener.Addr()), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	if ours, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	return ours, theirs
}

// TestHungUpSeesTheEndBehindUnreadBytes looks at one end of a connection while
// the other sends something and leaves.
func TestHungUpSeesTheEndBehindUnreadBytes(t *testing.T) {
	ends := map[string]func(net.Conn) error{
		"closes":          net.Conn.Close,
		"closes its half": func(c net.Conn) error { return c.(interface{ CloseWrite() error }).CloseWrite() },
		"breaks off (TCP), or closes": func(c net.Conn) error {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			return c.Close()
		},
	}
	addresses := map[string]string{"TCP": "127.0.0.1:0", "Unix": "unix:" + filepath.Join(t.TempDir(), "s")}
	for kind, address := range addresses {
		for how, leave := range ends {
			t.Run(kind+" "+how, func(t *testing.T) {
				ours, theirs := connected(t, address)
				secure := tls.Server(ours, nil) // not shaken hands: nothing is read of it
				if _, err := theirs.Write([]byte("unread")); err != nil {
					t.Fatal(err)
				}
				if socket.HungUp(ours) || socket.HungUp(secure) {
					t.Fatal("data is taken for the end")
				}
				if err := leave(theirs); err != nil {
					t.Fatal(err)
				}
				if !socket.HungUp(ours) || !socket.HungUp(secure) {
					t.Error("the end is not seen")
				}
			})
		}
	}
}

func TestHungUpDoesNotKnowOfPipes(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	b.Close()
	if socket.HungUp(a) {
		t.Error("a pipe has no socket to ask")
	}
}
