package main

import (
	"context"
	"net"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/usbip/server"
)

func TestMain(m *testing.M) {
	testscript.Main(withBuilds{m}, map[string]func(){"hsm7": main, "hsm7-credulous": credulous})
}

// TestScripts runs each script of testdata/script against a device of its own.
// The device's address is in HSM7_USBIP; HSM7_NOBODY is an address where
// nothing listens.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"log": logEntry, "reproduce": reproduce},
		Setup: func(env *testscript.Env) error {
			address, err := serve(new(peopletest.People), env.Defer)
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

// serve powers a device on, with people in front of it, and exports it until the
// test ends, which deferred functions are called at.
func serve(people hsm.TrustedPath, deferred func(func())) (address string, err error) {
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		return "", err
	}
	d, err := device.New(device.Config{Flash: image, Serial: "7000001", Path: people})
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
	deferred(func() {
		stop()
		<-ended
		_ = d.Close()
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
