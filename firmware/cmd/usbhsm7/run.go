package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"usbhsm7/firmware/control"
	"usbhsm7/usbip/socket"
)

// run powers the device on and serves it until ctx ends.
func run(ctx context.Context, o options, stderr io.Writer) (err error) {
	log, err := o.logger(stderr)
	if err != nil {
		return err
	}
	if err := forbidCoreDumps(); err != nil {
		log.Warn().Err(err).Msg("a core dump of this process would hold keys")
	}
	release, err := lockState(o)
	if err != nil {
		return err
	}
	defer release()
	u, err := newUnit(o, log)
	if err != nil {
		return err
	}
	defer u.keys.Close()
	stop, err := u.captureFile()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := u.PowerOn(ctx); err != nil {
		return err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, u.endForks(ctx), u.end(ctx))
	}()
	return serve(ctx, o, u)
}

// serve opens the unit's doors, says that it is ready, and waits until ctx ends
// or a door fails, which closes the others.
func serve(ctx context.Context, o options, u *unit) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var open doors
	defer func() { err = errors.Join(err, open.wait()) }()
	defer cancel()
	listener, err := o.listenUSBIP(ctx)
	if err != nil {
		return err
	}
	if listener != nil {
		u.address = socket.Name(listener.Addr())
		open.serve(cancel, func() error { return u.server.Serve(ctx, u.faults.Listener(listener)) })
	}
	controlSocket, err := u.listenControl(ctx)
	if err != nil {
		return err
	}
	if controlSocket != nil {
		open.serve(cancel, func() error { return u.serveControl(ctx, controlSocket) })
	}
	servePage, err := u.openPage(ctx)
	if err != nil {
		return err
	}
	if servePage != nil {
		open.serve(cancel, servePage)
	}
	if u.person != nil {
		open.serve(cancel, func() error { return u.attend(ctx) })
	}
	if o.attach {
		a := newAttachment(u)
		open.serve(cancel, func() error { return a.run(ctx) })
		a.awaitUp(ctx)
	}
	if ctx.Err() == nil {
		err = u.ready(o.readyFD)
	}
	if err == nil {
		<-ctx.Done()
	}
	u.log.Info().Msg("power off")
	return err
}

// doors are the ways in which the device can be reached, each served by a
// goroutine.
type doors struct {
	serving sync.WaitGroup
	mu      sync.Mutex
	failed  []error
}

// serve serves one door, and closes all when it ends.
func (d *doors) serve(closeAll func(), run func() error) {
	d.serving.Go(func() {
		defer closeAll()
		if err := run(); err != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.failed = append(d.failed, err)
		}
	})
}

// wait waits until every door is closed.
func (d *doors) wait() error {
	d.serving.Wait()
	return errors.Join(d.failed...)
}

// ready says that the device can be used.
func (u *unit) ready(fd int) error {
	s := u.Status()
	u.log.Info().Str("listen", s.Listen).Str("bus_id", s.BusID).Str("usb_id", s.USBID).Str("serial", s.Serial).Msg("device ready")
	if s.Screen != "" {
		u.log.Info().Str("url", s.Screen).Msg("the screen is a web page; keep its address to yourself")
	}
	return announce(fd, s)
}

// listenUSBIP opens the socket on which hosts reach the device, unless there is
// to be none.
func (o options) listenUSBIP(ctx context.Context) (net.Listener, error) {
	if o.listen == "" {
		return nil, nil
	}
	config, err := o.tls.Server()
	if err != nil {
		return nil, fmt.Errorf("%w: %w (--tls-cert, --tls-key, --tls-ca)", errUsage, err)
	}
	return listen(ctx, o.listen, config, "--listen")
}

func listen(ctx context.Context, address string, config *tls.Config, flag string) (net.Listener, error) {
	listener, err := socket.Listen(ctx, address, config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; choose another address with %s", errListen, err, flag)
	}
	return listener, nil
}

// announce writes the ready line and closes the descriptor.
func announce(fd int, state control.Status) error {
	if fd < 0 {
		return nil
	}
	file := os.NewFile(uintptr(fd), "ready-fd")
	if file == nil {
		return fmt.Errorf("%w: --ready-fd %d is not a file descriptor", errUsage, fd)
	}
	if err := json.NewEncoder(file).Encode(state); err != nil {
		return fmt.Errorf("--ready-fd %d: %w", fd, err)
	}
	return file.Close()
}

// lockState makes the state directory, if there is to be one, and takes its lock
// until release is called.
func lockState(o options) (release func(), err error) {
	if o.ephemeral {
		return func() {}, nil
	}
	if err := os.MkdirAll(o.stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	return lock(filepath.Join(o.stateDir, "lock"))
}

// lock takes the advisory lock at path; the kernel drops it if the process dies.
func lock(path string) (release func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", errLocked, filepath.Dir(path))
		}
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

// forbidCoreDumps keeps keys out of core files and away from debuggers of
// other users.
func forbidCoreDumps() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}
