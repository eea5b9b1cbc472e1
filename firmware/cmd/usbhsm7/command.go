package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"usbhsm7/usbip/socket"
)

const about = `usbhsm7 is a simulated hand-held USB hardware security module.

It exports itself over USB/IP as a vendor-class USB device. Attach it to a Linux
machine with "usbip attach -r 127.0.0.1 -b 1-1", "hsm7 attach" or --attach, or
let hsm7 reach it without any kernel support.

It stops cleanly on SIGTERM and SIGINT. State that was acknowledged to a host is
durable at any moment, also if the process is killed.
`

const examples = `  # a device that keeps its keys in ./hsm
  usbhsm7 --state-dir ./hsm

  # a throw-away device on a free port, for a test
  usbhsm7 --ephemeral --listen 127.0.0.1:0 --ready-fd 3 3>ready.json

  # a device with its screen and its iKeys in a browser
  usbhsm7 --state-dir ./hsm --screen 127.0.0.1:0

  # a throw-away device on this machine's USB bus
  sudo modprobe vhci-hcd && sudo usbhsm7 --ephemeral --attach`

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "usbhsm7 (--state-dir DIR | --ephemeral) [flags]",
		Short:   "A simulated USB hardware security module",
		Long:    about + "\nExit status:\n" + exitTable(),
		Example: examples,
		Version: version,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: unexpected argument %q", errUsage, args[0])
			}
			return nil
		},
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.attach && !cmd.Flags().Changed("listen") {
				o.listen = ""
			}
			if err := o.check(); err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			return run(cmd.Context(), o, cmd.ErrOrStderr())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	flags := cmd.Flags()
	flags.StringVar(&o.stateDir, "state-dir", "", "directory that holds the device's flash; made if absent")
	flags.BoolVar(&o.ephemeral, "ephemeral", false, "keep the flash in memory only")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:3240", "address to serve USB/IP on: host:port, where port 0 picks a free one, or unix:/path")
	flags.BoolVar(&o.insecure, "insecure", false, "allow --listen without TLS on an address that other machines reach: whoever reaches it can use the device")
	tlsFlags(flags, &o.tls)
	flags.BoolVar(&o.attach, "attach", false, "attach the device to this machine's kernel, and again after each power cycle; needs root and vhci_hcd; listens nowhere unless --listen is given")
	flags.StringVar(&o.seed, "seed", "", "make everything random follow from this text, and freeze the clock: for tests only")
	flags.StringVar(&o.control, "control", "", "path of the control socket, for hsm7 sim (default control.sock in the state directory; none for --ephemeral)")
	updateKeyFlags(flags, &o.updates)
	flags.StringVar(&o.faults, "fault", "", "file with a fault script, in force from the start; hsm7 sim fault changes it (docs/faults.md)")
	flags.StringVar(&o.screen, "screen", "", "serve the device's screen as a web page on this address of this machine, such as 127.0.0.1:0; the ready line and the log have its URL, which holds the key to it")
	flags.StringVar(&o.ikeys, "ikeys", "", "folder of the iKeys beside the device; made if absent (default ikeys in the state directory; in memory for --ephemeral)")
	flags.StringVar(&o.auto, "auto", "", "file with a script of who attends to the screen and the iKeys (docs/trusted-path.md); ends the simulator at a screen it does not know")
	flags.StringVar(&o.capture, "capture", "", "record everything on the bus in this pcapng file, secrets blanked; hsm7 capture does so while the device runs")
	flags.BoolVar(&o.secrets, "capture-with-secrets", false, "leave passwords, data and keys in the --capture file as they are")
	flags.StringVar(&o.busID, "bus-id", "1-1", "bus ID to export the device as")
	flags.StringVar(&o.ids, "usb-id", "1209:0001", "idVendor:idProduct, hexadecimal")
	flags.StringVar(&o.speed, "speed", "high", "speed of the USB connection: full, high or super")
	flags.StringVar(&o.serial, "serial", "", "serial number of a new device (default random)")
	flags.BoolVar(&o.stm, "stm", false, "deliver a new device in Secure Transport Mode: hsm7 hsm stm recover, with the strings that are logged, ends it")
	flags.IntVar(&o.readyFD, "ready-fd", -1, "file descriptor that gets one line of JSON when the device is ready")
	flags.StringVar(&o.logFormat, "log-format", "console", "console (or text), json or none")
	flags.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// tlsFlags are those with which the device proves who it is, and knows its hosts.
func tlsFlags(flags *pflag.FlagSet, i *socket.Identity) {
	flags.StringVar(&i.Cert, "tls-cert", "", "PEM file with our certificate: USB/IP is spoken over TLS 1.3 only")
	flags.StringVar(&i.Key, "tls-key", "", "PEM file with its private key")
	flags.StringVar(&i.CA, "tls-ca", "", "PEM file with the CA whose certificates hosts must have")
}

func exitTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  0  stopped by SIGTERM or SIGINT\n")
	for _, exit := range exits {
		if exit.when != "" {
			fmt.Fprintf(&b, "  %d  %s\n", exit.status, exit.when)
		}
	}
	return b.String()
}

// check finds what is wrong with the flags taken together.
func (o options) check() error {
	if o.ephemeral == (o.stateDir != "") {
		return errors.New("give either --state-dir DIR or --ephemeral")
	}
	if _, _, err := o.usbID(); err != nil {
		return err
	}
	if _, err := o.usbSpeed(); err != nil {
		return err
	}
	if _, err := o.logger(nil); err != nil {
		return err
	}
	return errors.Join(o.checkSerial(), o.checkListen(), o.checkScreen(), o.checkCapture())
}
