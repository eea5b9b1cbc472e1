package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
)

// full leaves the process of the device no room in files behind so many bytes, as a disk
// that is full does; what is there already cannot be written again either. Who is
// given unix.RLIM_INFINITY has room again.
func (f *firmware) full(t *testing.T, behind uint64) {
	t.Helper()
	limit := unix.Rlimit{Cur: behind, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

// noRoom wants a command to have failed for want of room, with what to do about it.
func noRoom(t *testing.T, err error) {
	t.Helper()
	var refusal *command.Error
	if !errors.As(err, &refusal) || refusal.Status != command.StatusDeviceError ||
		!strings.Contains(refusal.Cause, "the disk under the simulator's flash has no room") || !strings.Contains(refusal.Hint, "restart") {
		t.Errorf("on a full disk: %v", err)
	}
}

// officer opens a session and logs the HSM SO in.
func (f *firmware) officer(t *testing.T) *hostdrv.Session {
	t.Helper()
	so := session(t, f.device, command.SlotAdmin)
	if err := so.Login(t.Context(), command.RoleSO, []byte("so-password")); err != nil {
		t.Fatal(err)
	}
	return so
}

// kept wants the key of that name to be there.
func (f *firmware) kept(t *testing.T) {
	t.Helper()
	_ = f.device.Close()
	keys := f.logIn(t, false)
	if found, err := keys.Find(t.Context(), command.Template{command.AttrLabel: "kept"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
}

// newFirmware returns a device that keeps a key in state, and an update for it.
func newFirmware(t *testing.T, binary, state string) (*firmware, *boottest.Update) {
	t.Helper()
	update, err := boottest.New(boottest.Image(fuf.V(7, 9, 3), 2, 200_000, 1))
	if err != nil {
		t.Fatal(err)
	}
	f := powerOn(t, binary, "--state-dir", state, "--log-format", "none")
	keyNamed(t, f.logIn(t, true), "kept")
	_ = f.device.Close() // with it, everybody is logged out
	f.open(t)
	return f, update
}

// TestADiskThatFillsUpWhileAnUpdateIsSentCostsNothing has room for some chunks only: what
// was sent is there, and the rest is sent when there is room again, without a restart.
func TestADiskThatFillsUpWhileAnUpdateIsSentCostsNothing(t *testing.T) {
	f, update := newFirmware(t, buildFirmware(t), t.TempDir())
	so := f.officer(t)
	half := uint64(flash.DefaultGeometry().Size() / 2)
	f.full(t, half+150_000)
	sent := 0
	file := boottest.File{Update: update}
	noRoom(t, so.Upload(t.Context(), file, boottest.Code[:], func(done, _ int) { sent = done }))
	status, err := so.Firmware(t.Context())
	if err != nil || status.Running != "7.9.2" || status.State != command.UpdateReceiving || len(update.Chunks)-len(status.Missing) < sent {
		t.Errorf("%d chunks were acknowledged: %+v, %v", sent, status, err)
	}
	f.full(t, unix.RLIM_INFINITY)
	finish(t, f, so, update)
	f.kept(t)
}

// TestADiskThatIsFullWhenAnUpdateIsAppliedCostsNothing leaves no room at all: the update
// stays staged, and is applied when there is room again and the device has restarted.
func TestADiskThatIsFullWhenAnUpdateIsAppliedCostsNothing(t *testing.T) {
	f, update := newFirmware(t, buildFirmware(t), t.TempDir())
	so := f.officer(t)
	if err := so.Upload(t.Context(), boottest.File{Update: update}, boottest.Code[:], nil); err != nil {
		t.Fatal(err)
	}
	f.full(t, 0)
	noRoom(t, so.ApplyUpdate(t.Context()))
	if status, err := so.Firmware(t.Context()); err != nil || status.Running != "7.9.2" || status.State != command.UpdateStaged {
		t.Errorf("%+v, %v", status, err)
	}
	f.full(t, unix.RLIM_INFINITY)
	ctx, cancel := context.WithTimeout(t.Context(), restartPatience)
	defer cancel()
	if err := errors.Join(so.Restart(ctx), f.device.Follow(ctx)); err != nil {
		t.Fatal(err)
	}
	finish(t, f, f.officer(t), update)
	f.kept(t)
}

// TestADiskThatIsFullWhenNewFirmwareStartsCostsNothing switches the device on with no
// room: it says so, and starts when there is room again, in the old firmware or the new.
func TestADiskThatIsFullWhenNewFirmwareStartsCostsNothing(t *testing.T) {
	binary, state := buildFirmware(t), t.TempDir()
	f, update := newFirmware(t, binary, state)
	so := f.officer(t)
	if err := so.Upload(t.Context(), boottest.File{Update: update}, boottest.Code[:], nil); err != nil {
		t.Fatal(err)
	}
	if err := so.ApplyUpdate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.kill()
	full := filepath.Join(t.TempDir(), "usbhsm7")
	if err := os.WriteFile(full, fmt.Appendf(nil, "#!/bin/sh\nulimit -S -f 0\nexec %s \"$@\"\n", binary), 0o700); err != nil {
		t.Fatal(err)
	}
	if f, err := start(full, "--state-dir", state, "--log-format", "none"); err == nil {
		f.kill()
		t.Error("it starts without room")
	} else if !strings.Contains(err.Error(), "the disk under the simulator's flash has no room") {
		t.Error(err)
	}
	f = powerOn(t, binary, "--state-dir", state, "--log-format", "none")
	f.open(t)
	finish(t, f, f.officer(t), update)
	f.kept(t)
}
