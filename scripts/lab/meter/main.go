// Command meter measures USB/IP servers in the lab's guest, all through the
// kernel's vhci_hcd and usbfs.
//
//	meter serve ADDRESS...                      export a Gadget Zero with bus ID 1-1 on each address, until killed
//	meter attach ADDRESS BUSID                  attach a device, print its node
//	meter measure [-runs N] [-slice D] [-only LOAD] NODE...
//	                                            measure the devices in turn
//	meter upload [-runs N] SERIAL               initialise an HSM and measure uploads of firmware to it, over libusb
//
// serve prints "serving" once it does. The devices measured must be a source and
// a sink: what comes out of the first bulk IN endpoint never ends, and the first
// bulk OUT endpoint takes zeros. measure prints one line of JSON for each slice
// of time: the position of the node, the case, and the rate. upload prints such lines
// for uploads, with the rate in pieces of 16 KiB.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "meter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "serve":
		return serve(ctx, args[1:])
	case len(args) == 3 && args[0] == "attach":
		return attach(ctx, args[1], args[2])
	case len(args) >= 2 && args[0] == "measure":
		return measure(args[1:])
	case len(args) >= 2 && args[0] == "upload":
		return upload(ctx, args[1:])
	}
	return fmt.Errorf("no request: meter serve, attach, measure or upload")
}
