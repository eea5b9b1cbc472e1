package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"usbhsm7/usbip/vhci"
)

func (a *app) attachCommand() *cobra.Command {
	var busID string
	var watch bool
	cmd := &cobra.Command{
		Use: "attach", Short: "Attach the device of a USB/IP server to this machine's kernel", GroupID: "bus", Args: noArgs,
		Long: `Attach the device of a USB/IP server (--usbip) to this machine's kernel, as
"usbip attach" does but without that tool. Needs root and the module vhci_hcd.
Returns when the kernel has enumerated the device.

Linux never attaches a device again that went away. With --watch this command
stays and does so, after power cycles, firmware updates and losses of the
network, until SIGTERM or SIGINT; then it detaches the device. It prints a line
for each event. A device that is reached over TLS needs --watch, because the
kernel does not speak TLS and this command does it on its behalf.

hsm7 doctor says what is missing where attaching fails.`,
		Example: "  sudo modprobe vhci-hcd && sudo hsm7 attach\n  hsm7 list --via usb\n  sudo hsm7 detach 0\n  sudo hsm7 attach --watch --usbip unix:/run/hsm.sock",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := a.where.secured()
			if err != nil {
				return err
			}
			remote := vhci.Remote{Address: a.where.usbip, BusID: busID, TLS: config}
			if watch {
				return a.watch(cmd.Context(), remote)
			}
			return a.attach(cmd.Context(), remote)
		},
	}
	cmd.Flags().StringVar(&busID, "bus-id", "1-1", "bus ID of the device at the server")
	cmd.Flags().BoolVar(&watch, "watch", false, "stay, and attach the device again whenever it comes back")
	return cmd
}

// attach attaches a device and leaves it to the kernel.
func (a *app) attach(ctx context.Context, remote vhci.Remote) error {
	if remote.TLS != nil {
		return usagef("the kernel does not speak TLS, so hsm7 has to stay and do it: add --watch")
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	attached, err := vhci.Attach(ctx, remote.Address, remote.BusID)
	if err != nil {
		return err
	}
	port, err := vhci.Wait(ctx, attached.Number)
	if err != nil {
		return errors.Join(err, takeBack(attached.Number))
	}
	return a.print(port, func(w io.Writer) { fmt.Fprintln(w, port) })
}

// takeBack detaches a port on which no device came up.
func takeBack(port int) error {
	if err := vhci.Detach(port); err != nil && !errors.Is(err, vhci.ErrNotAttached) {
		return err
	}
	return nil
}

func (a *app) detachCommand() *cobra.Command {
	return &cobra.Command{
		Use: "detach PORT", Short: "Detach a port from this machine's kernel", GroupID: "bus", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			port, err := strconv.Atoi(args[0])
			if err != nil {
				return usagef("%q is not a port number; hsm7 ports lists them", args[0])
			}
			if err := vhci.Detach(port); err != nil {
				return err
			}
			return a.done("port %d detached", port)
		},
	}
}

func (a *app) portsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ports", Short: "List the USB/IP ports in use on this machine", GroupID: "bus", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			ports, err := vhci.Ports()
			if err != nil {
				return err
			}
			for _, p := range ports {
				if err := a.print(p, func(w io.Writer) { fmt.Fprintln(w, p) }); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
