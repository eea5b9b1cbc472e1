//go:build unix

package socket

import (
	"errors"
	"os"
	"syscall"
)

// lockFolder waits for the advisory lock on a folder. The kernel drops it if
// the process dies.
func lockFolder(path string) (unlock func(), err error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX)
		if err == nil {
			return func() { folder.Close() }, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(os.NewSyscallError("flock", err), folder.Close())
		}
	}
}

// restrict sets the mode of a socket before it has a name: on Linux the file
// inherits it, so that there is no moment in which others may connect.
func restrict(raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), ownerOnly) })
	return errors.Join(err, os.NewSyscallError("fchmod", failed))
}
