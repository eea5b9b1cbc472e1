package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
)

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the devices that can be reached", GroupID: "device", Args: noArgs,
		Example: "  hsm7 list\n  hsm7 list --via usbip --usbip 127.0.0.1:3240 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
			defer cancel()
			devices, err := a.where.list(ctx)
			if err != nil {
				return err
			}
			if len(devices) == 0 {
				return transport.ErrNotFound
			}
			for _, d := range devices {
				if err := a.print(d, func(w io.Writer) {
					fmt.Fprintf(w, "%-6s %-8s %04x:%04x  %s\n", d.Via, d.Path, d.Vendor, d.Product, serialText(d.Serial))
				}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// serialText tells a serial number, which USB/IP does not list.
func serialText(serial string) string {
	if serial == "" {
		return "serial number not known before it is opened"
	}
	return "serial number " + serial
}

// limits are the limits that the device announced.
type limits struct {
	MaxMessage  uint32 `json:"max_message"`
	MaxTransfer uint32 `json:"max_transfer"`
	MaxInFlight uint32 `json:"max_in_flight"`
}

func (a *app) infoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "info", Short: "Show identity, state and storage of the device", GroupID: "device", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDevice(cmd.Context(), func(ctx context.Context, d *hostdrv.Device) error {
				info, err := d.Info(ctx)
				if err != nil {
					return err
				}
				return a.printInfo(d, info)
			})
		},
	}
}

func (a *app) printInfo(d *hostdrv.Device, info command.InfoResponse) error {
	link, hello := d.LinkInfo(), d.Capabilities()
	return a.print(map[string]any{
		"usb": link, "hsm": info, "state": info.State.String(), "authentication": info.Method.String(), "partition_state": info.Partition.String(),
		"protocol": hello.Version,
		"limits":   limits{hello.MaxMessage, hello.MaxTransfer, hello.MaxInFlight},
	}, func(out io.Writer) {
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		defer w.Flush()
		fmt.Fprintf(w, "USB device\t%04x:%04x at %s\n", link.Vendor, link.Product, link.Path)
		fmt.Fprintf(w, "Model\t%s\n", info.Model)
		fmt.Fprintf(w, "Serial number\t%s\n", info.Serial)
		fmt.Fprintf(w, "Firmware version\t%s\n", info.Firmware)
		fmt.Fprintf(w, "HSM\t%s\n", labelled(info.State.String(), info.Label))
		if info.Method != command.AuthNone {
			fmt.Fprintf(w, "Authentication\t%s\n", info.Method)
		}
		if info.Halt != 0 {
			fmt.Fprintf(w, "Status\t%s\n", info.Halt)
		}
		fmt.Fprintf(w, "Partition\t%s\n", labelled(info.Partition.String(), info.PartitionLabel))
		fmt.Fprintf(w, "Objects\t%d\n", info.Objects)
		fmt.Fprintf(w, "Storage\t%d of %d bytes free\n", info.StorageFree, info.StorageTotal)
		fmt.Fprintf(w, "Sessions\t%d\n", info.Sessions)
	})
}

func labelled(state, label string) string {
	if label == "" {
		return state
	}
	return fmt.Sprintf("%s, label %q", state, label)
}

// mechanismLine is one line of mechanisms --json.
type mechanismLine struct {
	Name string `json:"name"`
	command.MechanismInfo
	UseNames []string `json:"use_names"`
}

func (a *app) mechanismsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "mechanisms", Short: "List the mechanisms of the device", GroupID: "device", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDevice(cmd.Context(), func(ctx context.Context, d *hostdrv.Device) error {
				list, err := d.Mechanisms(ctx)
				if err != nil {
					return err
				}
				for _, m := range list {
					line := mechanismLine{m.Type.String(), m, m.Uses.Names()}
					if err := a.print(line, func(w io.Writer) {
						fmt.Fprintf(w, "0x%08x  CKM_%-24s %9s  %s\n", uint32(m.Type), m.Type, keySizes(m), strings.Join(line.UseNames, ", "))
					}); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func keySizes(m command.MechanismInfo) string {
	if m.MaxBits == 0 {
		return "-"
	}
	return fmt.Sprintf("%d-%d", m.MinBits, m.MaxBits)
}
