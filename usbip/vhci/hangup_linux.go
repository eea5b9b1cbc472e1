package vhci

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangUp waits until either side has shut the socket down, or ctx ends. The
// kernel shuts a socket that it was handed when its port is freed, for whatever
// reason: that is how one learns of it at once, for sysfs notifies nobody. Data
// that arrives does not wake us.
func hangUp(ctx context.Context, conn syscall.Conn) {
	set, err := hangUpSet(conn)
	if err != nil {
		<-ctx.Done() // the device is then taken for attached until it is closed
		return
	}
	defer set.Close()
	stop := context.AfterFunc(ctx, func() { _ = set.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := set.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, err := unix.EpollWait(int(fd), make([]unix.EpollEvent, 1), 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

// hangUpSet returns an epoll set, see epoll(7), that becomes readable when conn
// is shut down. Go's poller watches the set in turn.
func hangUpSet(conn syscall.Conn) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(set, true); err != nil {
		return nil, errors.Join(err, unix.Close(set))
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		// Errors and EPOLLHUP are always reported.
		failed = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLRDHUP})
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, errors.Join(err, unix.Close(set))
	}
	return os.NewFile(uintptr(set), "epoll"), nil
}
