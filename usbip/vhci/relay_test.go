package vhci

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/socket"
)

// pair returns two connected sockets that end with the test.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	a, b, err := socket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// relayed returns the two ends of a relay, and a function that waits for it.
func relayed(t testing.TB) (left, right *net.UnixConn, wait func()) {
	t.Helper()
	left, a := pair(t)
	b, right := pair(t)
	var running sync.WaitGroup
	running.Go(func() {
		relay(a, b, func() {})
		a.Close()
		b.Close()
	})
	return left, right, running.Wait
}

func TestRelayCarriesBothWaysAtOnce(t *testing.T) {
	left, right, wait := relayed(t)
	sent := make([]byte, 3<<20) // many buffers
	if _, err := rand.Read(sent); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, end := range []*net.UnixConn{left, right} {
		all.Go(func() {
			if _, err := end.Write(sent); err != nil {
				t.Error(err)
			}
			if err := end.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if got, err := io.ReadAll(end); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes arrived, %v, want the %d that were sent", len(got), err, len(sent))
			}
		})
	}
	all.Wait()
	wait()
}

func TestAnswerPassesAfterTheQuestionHasEnded(t *testing.T) {
	left, right, wait := relayed(t)
	if err := left.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(right); err != nil {
		t.Fatal(err)
	}
	if _, err := right.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	right.Close()
	if got, err := io.ReadAll(left); err != nil || string(got) != "answer" {
		t.Errorf("%q, %v", got, err)
	}
	wait()
}

// piped is an end of a pipe in memory, whose time is that of a bubble.
type piped struct{ net.Conn }

func (piped) CloseWrite() error { return nil }

// done is a peer that has ended its stream.
type done struct{ piped }

func (done) Read([]byte) (int, error) { return 0, io.EOF }

func TestRelayEndsThoughOneSideDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, a := net.Pipe()
		b, right := net.Pipe() // right does not read
		defer right.Close()
		var stuck sync.WaitGroup
		stuck.Go(func() {
			_, _ = left.Write(make([]byte, 64<<20)) // until the relay ends
		})
		began := time.Now()
		relay(piped{a}, done{piped{b}}, func() {})
		if took := time.Since(began); took != linger {
			t.Errorf("the relay lasted another %v, want %v", took, linger)
		}
		a.Close()
		b.Close()
		stuck.Wait()
	})
}
