package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"usbhsm7/firmware/record"
	"usbhsm7/usbip/capture"
)

// recorder records what this host does to the device, for --capture.
type recorder struct {
	path    string
	secrets bool
	tap     *capture.Tap // nil = not started
}

func (r *recorder) flags(flags *pflag.FlagSet) {
	flags.StringVar(&r.path, "capture", "", "record what goes over --usbip in this pcapng file, secrets blanked")
	flags.BoolVar(&r.secrets, "capture-with-secrets", false, "leave passwords, data and keys in the --capture file as they are")
}

func (r *recorder) wanted() bool { return r.path != "" }

// warnOfSecrets says what a capture with secrets is.
func warnOfSecrets() {
	fmt.Fprintln(os.Stderr, "hsm7: this capture holds passwords, data and keys as they are: treat it like them")
}

// start opens the file, if there is to be one. stop ends it.
func (r *recorder) start() (stop func() error, err error) {
	if r.secrets && !r.wanted() {
		return nil, usagef("--capture-with-secrets is about the file of --capture, which is missing")
	}
	if !r.wanted() {
		return func() error { return nil }, nil
	}
	sink, err := capture.NewFiles(capture.FileOptions{Path: r.path, Header: capture.Header{
		Application: "hsm7 " + version, Interface: "usbip", Redacted: !r.secrets,
	}})
	if err != nil {
		return nil, usagef("--capture: %w", err)
	}
	r.tap = capture.NewTap()
	options := capture.Options{Redact: record.NewRedactor().Redact}
	if r.secrets {
		warnOfSecrets()
		options.Redact = nil
	}
	c := r.tap.Start(sink, options)
	return func() error {
		_, err := c.Stop()
		return err
	}, nil
}
