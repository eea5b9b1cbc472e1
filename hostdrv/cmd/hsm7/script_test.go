package main

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/usbip/server"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hsm7": main})
}

// TestScripts runs each script of testdata/script against a device of its own.
// The device's address is in HSM7_USBIP; HSM7_NOBODY is an address where
// nothing listens.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"log": logEntry},
		Setup: func(env *testscript.Env) error {
			address, err := serve(env)
			if err != nil {
				return err
			}
			nobody, err := unusedAddress()
			if err != nil {
				return err
			}
			for name, value := range map[string]string{
				"HSM7_USBIP": address, "HSM7_NOBODY": nobody, "HSM7_VIA": "usbip",
				"HSM7_SO_PASSWORD": "so-password", "HSM7_PO_PASSWORD": "po-password", "HSM7_CO_PASSWORD": "co-password",
			} {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}

// serve powers a device on and exports it until the script ends.
func serve(env *testscript.Env) (address string, err error) {
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		return "", err
	}
	d, err := device.New(device.Config{Flash: image, Serial: "7000001"})
	if err != nil {
		return "", err
	}
	s := server.New(server.Options{})
	if err := s.Export("1-1", d.USB()); err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	env.Defer(func() {
		stop()
		if err := errors.Join(<-ended, d.Close()); err != nil && !errors.Is(err, context.Canceled) {
			env.T().Log(err)
		}
	})
	return listener.Addr().String(), nil
}

func unusedAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
