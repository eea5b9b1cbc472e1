package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/flash"
)

// errRunning reports a state directory that a simulator is writing to.
var errRunning = errors.New("a simulator runs with this state directory, and gives no snapshot")

// readDevice reads the flash of a device: from a state directory, from a snapshot, or
// an erased one for a profile.
func readDevice(ctx context.Context, name string) (*flash.Memory, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		for _, profile := range profiles {
			if name == profile {
				return flash.NewMemory(flash.DefaultGeometry())
			}
		}
		return nil, usagef("--device %q is no state directory, no snapshot, and not %s", name, strings.Join(profiles, " or "))
	case err != nil:
		return nil, usagef("%w", err)
	case info.IsDir():
		return readStateDirectory(ctx, name)
	}
	return readFlash(name)
}

// readStateDirectory reads the flash of a simulator as it is at one moment: one that
// runs is asked for a snapshot.
func readStateDirectory(ctx context.Context, dir string) (*flash.Memory, error) {
	release, err := keepOff(filepath.Join(dir, "lock"))
	if errors.Is(err, errRunning) {
		return readRunning(ctx, dir)
	}
	if err != nil {
		return nil, err
	}
	defer release()
	return readFlash(filepath.Join(dir, "flash.bin"))
}

// keepOff keeps simulators off a state directory until release is called. One that
// runs there gives errRunning.
func keepOff(lock string) (release func(), err error) {
	file, err := os.Open(lock)
	if errors.Is(err, os.ErrNotExist) { // no simulator has run there: a copy of a flash, for one
		return func() {}, nil
	}
	if err != nil {
		return nil, usagef("%w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errRunning
		}
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

// readRunning has the simulator that runs on a state directory give a snapshot.
func readRunning(ctx context.Context, dir string) (*flash.Memory, error) {
	var image bytes.Buffer
	if err := control.NewClient(filepath.Join(dir, "control.sock")).Snapshot(ctx, &image); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errRunning, dir, err)
	}
	return flash.ReadImage(&image, flash.DefaultGeometry())
}

// readFlash reads a file that holds the flash of a device.
func readFlash(name string) (*flash.Memory, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	defer file.Close()
	chip, err := flash.ReadImage(file, flash.DefaultGeometry())
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return chip, nil
}
