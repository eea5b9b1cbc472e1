package usbip_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/internal/usbhost"
	"usbhsm7/usbip/fault"
)

// TestWhatTheDriverSaysOfAServerThatBreaksTheProtocol has the replies spoilt that
// carry answers of the device, after those to HELLO.
func TestWhatTheDriverSaysOfAServerThatBreaksTheProtocol(t *testing.T) {
	for script, says := range map[string]string{
		"on endpoint 81 nth 2: duplicate":       "which is not pending",
		"on endpoint 81 nth 2: wrong-number":    "which is not pending",
		"on endpoint 81 nth 2: overlong":        "65537 bytes, asked for 65536",
		"on endpoint 81 nth 2: negative-length": "with -1 bytes",
		"on endpoint 81 nth 2: positive-status": "EPROTO",
		"on endpoint 81 nth 2: unknown-message": "unknown command",
		"on endpoint 81 nth 2: truncate":        "closed the connection",
		"on endpoint 01 nth 2: out-payload":     "unknown command",
		"on endpoint 81 nth 2: lose":            "deadline",
	} {
		t.Run(script, func(t *testing.T) {
			f := serveFaulty(t, "")
			dev, err := f.dialSpoilt(t, script)
			if err != nil {
				t.Fatal(err)
			}
			wait := patience
			if says == "deadline" {
				wait = soon
			}
			for calls := 0; err == nil && calls < 10; calls++ {
				err = call(t, dev, wait)
			}
			if !strings.Contains(err.Error(), says) || says != "deadline" && !errors.Is(err, transport.ErrDisconnected) {
				t.Errorf("the driver says %v, want %q", err, says)
			}
			if err := dev.Close(); err != nil {
				t.Error(err)
			}
			next, err := f.dial(t.Context(), patience)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(call(t, next, patience), next.Close()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// dialSpoilt opens the device over a connection on which a script spoils replies.
func (f *faulty) dialSpoilt(t *testing.T, script string) (*hostdrv.Device, error) {
	t.Helper()
	s, err := fault.Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	d, err := fault.Import(t.Context(), conn, busID, s)
	if err != nil {
		return nil, err
	}
	link, err := usbhost.Open(t.Context(), usbhost.Host{Port: d, Path: busID, Release: d.Close, Cause: d.Err})
	if err != nil {
		return nil, err
	}
	return hostdrv.Open(t.Context(), link, hostdrv.Options{})
}
