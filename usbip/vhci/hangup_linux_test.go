package vhci

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHangUpNoticesEitherEnd(t *testing.T) {
	for name, end := range map[string]func(ours, theirs *net.UnixConn){
		"the peer closes":              func(_, theirs *net.UnixConn) { theirs.Close() },
		"the peer closes after a word": func(_, theirs *net.UnixConn) { _, _ = theirs.Write([]byte("bye")); theirs.Close() },
		"the kernel shuts our end":     func(ours, _ *net.UnixConn) { _ = ours.CloseRead(); _ = ours.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pair(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				hangUp(t.Context(), ours)
			}()
			end(ours, theirs)
			<-done
		})
	}
}

func TestDataIsNoHangUp(t *testing.T) {
	ours, theirs := pair(t)
	set, err := hangUpSet(ours)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	ready := func() int {
		n, err := unix.EpollWait(int(set.Fd()), make([]unix.EpollEvent, 1), 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := theirs.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	if ready() != 0 {
		t.Error("data is taken for the end")
	}
	theirs.Close()
	if ready() != 1 {
		t.Error("the end is not seen")
	}
}

func TestHangUpEndsWithItsContext(t *testing.T) {
	ours, _ := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hangUp(ctx, ours)
}
