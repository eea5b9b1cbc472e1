// Usbhsm7 is the firmware: it powers a simulated USB HSM on and exports it over
// USB/IP until it is told to stop.
//
//	usbhsm7 --state-dir ./hsm        a device that keeps its keys
//	usbhsm7 --ephemeral              one that forgets them
//
// Exit status: see the exit table in exit.go or usbhsm7 --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"usbhsm7/firmware/control"
)

// version is set by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "usbhsm7:", err)
		if hint := control.HintOf(err); hint != "" {
			fmt.Fprintln(os.Stderr, "  hint:", hint)
		}
		os.Exit(exitStatus(err))
	}
}
