package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/usbip/server"
)

// ready is the line that --ready-fd gets.
type ready struct {
	Listen   string `json:"listen"`
	BusID    string `json:"bus_id"`
	USBID    string `json:"usb_id"`
	Serial   string `json:"serial"`
	Model    string `json:"model"`
	Firmware string `json:"firmware"`
	PID      int    `json:"pid"`
}

// run powers the device on and serves it until ctx ends.
func run(ctx context.Context, o options, stderr io.Writer) (err error) {
	log, err := o.logger(stderr)
	if err != nil {
		return err
	}
	if err := forbidCoreDumps(); err != nil {
		log.Warn().Err(err).Msg("a core dump of this process would hold keys")
	}
	image, release, err := openFlash(o)
	if err != nil {
		return err
	}
	defer release()
	vendor, product, err := o.usbID()
	if err != nil {
		return errors.Join(err, image.Close())
	}
	d, err := device.New(device.Config{Flash: image, Vendor: vendor, Product: product, Serial: o.serial, Logger: log})
	if err != nil {
		return errors.Join(err, image.Close())
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return serve(ctx, o, d, log)
}

// serve exports d until ctx ends.
func serve(ctx context.Context, o options, d *device.Device, log zerolog.Logger) error {
	s := server.New(server.Options{Logger: slog.New(zerolog.NewSlogHandler(log))})
	if err := s.Export(o.busID, d.USB()); err != nil {
		return fmt.Errorf("%w: --bus-id %s: %w", errUsage, o.busID, err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("%w on %s: %w; is another usbhsm7 running? choose a port with --listen", errListen, o.listen, err)
	}
	model, serial, firmware := d.Identity()
	state := ready{
		Listen: listener.Addr().String(), BusID: o.busID, USBID: o.ids,
		Serial: serial, Model: model, Firmware: firmware, PID: os.Getpid(),
	}
	log.Info().Str("listen", state.Listen).Str("bus_id", state.BusID).Str("usb_id", state.USBID).Str("serial", serial).Msg("device ready")
	if err := announce(o.readyFD, state); err != nil {
		return errors.Join(err, listener.Close())
	}
	err = s.Serve(ctx, listener)
	if ctx.Err() != nil {
		log.Info().Msg("power off")
		return nil
	}
	return err
}

// announce writes the ready line and closes the descriptor.
func announce(fd int, state ready) error {
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

// openFlash returns the device's flash, and releases the state directory's
// lock when release is called.
func openFlash(o options) (image flash.Device, release func(), err error) {
	if o.ephemeral {
		memory, err := flash.NewMemory(flash.DefaultGeometry())
		return memory, func() {}, err
	}
	if err := os.MkdirAll(o.stateDir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the state directory: %w", err)
	}
	release, err = lock(filepath.Join(o.stateDir, "lock"))
	if err != nil {
		return nil, nil, err
	}
	file, err := flash.OpenFile(filepath.Join(o.stateDir, "flash.bin"), flash.DefaultGeometry())
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("open the flash: %w", err)
	}
	return file, release, nil
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
