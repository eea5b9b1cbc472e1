package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/control"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/socket"
)

func TestExitStatusTellsWhatWentWrong(t *testing.T) {
	for want, errs := range map[int][]error{
		0:   {nil},
		1:   {errors.New("something else")},
		2:   {usagef("which key?")},
		3:   {transport.ErrNotFound, transport.ErrPermission, transport.ErrBusy, socket.ErrNoServer, socket.ErrTLS},
		4:   {command.StatusSignatureInvalid.With("it was changed", "")},
		5:   {command.StatusPINIncorrect.With("it is another", "")},
		6:   {transport.ErrDisconnected, hostdrv.ErrNoAnswer, context.DeadlineExceeded},
		130: {context.Canceled},
	} {
		for _, err := range errs {
			if err != nil {
				err = fmt.Errorf("use the device: %w", err)
			}
			if got := exitStatus(err); got != want {
				t.Errorf("%v: exit status %d, want %d", err, got, want)
			}
		}
	}
}

// Nobody looks for a device any longer then, so that none was found says nothing.
func TestInterruptedWhileItLooksForTheDevice(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, via := range []string{"usbip", "auto"} {
		if got := new(app).run(ctx, []string{"info", "--via", via, "--usbip", "127.0.0.1:1"}, null, null, null); got != 130 {
			t.Errorf("--via %s: exit status %d", via, got)
		}
	}
}

func TestWhoInterruptsIsToldSo(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	_, dialled := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:1")
	if got, want := explain(dialled), "dial tcp 127.0.0.1:1: interrupted"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	err := fmt.Errorf("hsm-init: %w", context.Canceled)
	if got, want := explain(err), "hsm-init: interrupted"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := describe(err).Error; got != "hsm-init: interrupted" {
		t.Errorf("as JSON %q", got)
	}
}

func TestWhatTheSimulatorAdvisesIsPassedOn(t *testing.T) {
	err := fmt.Errorf("switch it on: %w", &control.Advice{Err: errors.New("it does not start"), Hint: "go back"})
	if got, want := explain(err), "switch it on: it does not start\n  hint: go back"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := describe(err); got.Error != "switch it on: it does not start" || got.Hint != "go back" {
		t.Errorf("as JSON %+v", got)
	}
}
