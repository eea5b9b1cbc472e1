package socket

import "syscall"

// hungUp asks epoll(7), which the standard library has on every architecture,
// unlike poll(2).
func hungUp(fd int) bool {
	set, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	defer syscall.Close(set)
	// Errors and EPOLLHUP are always reported.
	event := syscall.EpollEvent{Events: syscall.EPOLLRDHUP}
	if err := syscall.EpollCtl(set, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		return false
	}
	n, err := syscall.EpollWait(set, make([]syscall.EpollEvent, 1), 0)
	return err == nil && n > 0
}
