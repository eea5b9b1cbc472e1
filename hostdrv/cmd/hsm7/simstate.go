package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/control"
)

// simulatorSource finds the simulator that a command is for.
type simulatorSource func() (*control.Client, error)

// withSimulator runs do with the simulator, within the timeout.
func (a *app) withSimulator(simulator simulatorSource, do func(context.Context, *control.Client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := simulator()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
		defer cancel()
		if a.where.wait > 0 {
			if err := patiently(ctx, a.where.wait, func(ctx context.Context) error { _, err := client.Status(ctx); return err }); err != nil {
				return err
			}
		}
		return do(ctx, client, args)
	}
}

func (a *app) clockCommand(simulator simulatorSource) *cobra.Command {
	change := func(use, short string, args int, of func(args []string) (control.ClockChange, error)) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: exactArgs(args), RunE: a.withSimulator(simulator,
			func(ctx context.Context, c *control.Client, args []string) error {
				request, err := of(args)
				if err != nil {
					return err
				}
				clock, err := c.ChangeClock(ctx, request)
				if err != nil {
					return err
				}
				return a.print(clock, func(w io.Writer) { printClock(w, clock) })
			})}
	}
	frozen := func(stop bool) func([]string) (control.ClockChange, error) {
		return func([]string) (control.ClockChange, error) { return control.ClockChange{Frozen: &stop}, nil }
	}
	cmd := &cobra.Command{Use: "clock", Short: "Show, set, stop or start the device's clock"}
	cmd.Args, cmd.RunE = knownCommand, showHelp
	cmd.Example = "  hsm7 sim clock show\n  hsm7 sim clock freeze\n  hsm7 sim clock advance 2h\n  hsm7 sim clock set 2030-01-01T00:00:00Z"
	cmd.AddCommand(
		change("show", "Show the clock", 0, func([]string) (control.ClockChange, error) { return control.ClockChange{}, nil }),
		change("set TIME", "Set the clock", 1, parseTime),
		change("advance DURATION", "Set the clock forward, or back", 1, parseAdvance),
		change("freeze", "Stop the clock", 0, frozen(true)),
		change("run", "Let the clock go on", 0, frozen(false)),
	)
	return cmd
}

func parseTime(args []string) (control.ClockChange, error) {
	t, err := time.Parse(time.RFC3339, args[0])
	if err != nil {
		return control.ClockChange{}, usagef("%q is not like 2030-01-01T00:00:00Z", args[0])
	}
	return control.ClockChange{Time: &t}, nil
}

func parseAdvance(args []string) (control.ClockChange, error) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return control.ClockChange{}, usagef("%q is not like 1h30m; to set the clock back: hsm7 sim clock advance -- -5s", args[0])
	}
	return control.ClockChange{Advance: control.Duration(d)}, nil
}

func printClock(w io.Writer, c control.Clock) {
	stopped := ""
	if c.Frozen {
		stopped = ", stopped"
	}
	fmt.Fprintf(w, "%s%s\n", c.Time.UTC().Format(time.RFC3339), stopped)
}

func (a *app) snapshotCommand(simulator simulatorSource) *cobra.Command {
	return &cobra.Command{
		Use: "snapshot FILE", Short: "Write the device's flash to a file, as it would be if power failed now",
		Long: `Write the device's flash to a file, as it would be if power failed now. Give it
back with hsm7 sim restore, or start from it: it is the flash.bin of a state
directory. What it holds of secrets is told in docs/security.md.`,
		Args: exactArgs(1),
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, args []string) error {
			var image bytes.Buffer
			if err := c.Snapshot(ctx, &image); err != nil {
				return err
			}
			if err := writeSparse(args[0], image.Bytes()); err != nil {
				return err
			}
			return a.done("snapshot written to %s", args[0])
		}),
	}
}

func (a *app) restoreCommand(simulator simulatorSource) *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Have the device go on with a snapshot; what it holds now is lost",
		Args: exactArgs(1),
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, args []string) error {
			image, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			status, err := c.Restore(ctx, image)
			if err != nil {
				return err
			}
			return a.print(status, func(w io.Writer) { printStatus(w, status) })
		}),
	}
}

func (a *app) forkCommand(simulator simulatorSource) *cobra.Command {
	var end bool
	cmd := &cobra.Command{
		Use: "fork BUS-ID", Short: "Export another device with the state of this moment",
		Example: "  hsm7 sim fork 1-2\n  hsm7 --path 1-2 info\n  hsm7 sim fork 1-2 --end",
		Args:    exactArgs(1),
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, args []string) error {
			if end {
				if err := c.EndFork(ctx, args[0]); err != nil {
					return err
				}
				return a.done("fork %s ended", args[0])
			}
			status, err := c.Fork(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(status, func(w io.Writer) { printStatus(w, status) })
		}),
	}
	cmd.Flags().BoolVar(&end, "end", false, "end the fork")
	return cmd
}

func (a *app) digestStateCommand(simulator simulatorSource) *cobra.Command {
	return &cobra.Command{
		Use: "digest", Short: "Print the SHA-256 of the device's flash: the same seed and the same commands give the same",
		Args: noArgs,
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, _ []string) error {
			digest, err := c.Digest(ctx)
			if err != nil {
				return err
			}
			return a.print(digest, func(w io.Writer) { fmt.Fprintln(w, digest.SHA256) })
		}),
	}
}

// writeSparse writes a file, with holes where data is zero.
func writeSparse(path string, data []byte) error {
	const part = 4096
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, part)
	err = file.Truncate(int64(len(data)))
	for at := 0; at < len(data) && err == nil; at += part {
		if piece := data[at:min(at+part, len(data))]; !bytes.Equal(piece, zeros[:len(piece)]) {
			_, err = file.WriteAt(piece, int64(at))
		}
	}
	return errors.Join(err, file.Close())
}

// tamperSensorCommand is what happens to a unit rather than what it is asked for.
func (a *app) tamperSensorCommand(simulator simulatorSource) *cobra.Command {
	var causes []string
	for _, info := range command.TamperTable {
		causes = append(causes, info.Name)
	}
	return &cobra.Command{
		Use: "tamper CAUSE", Short: "Have a sensor of the device find something", ValidArgs: causes, Args: exactArgs(1),
		Long:    "Have a sensor of the device find something: " + strings.Join(causes, ", ") + ".\nA device that is off notices when it is switched on.",
		Example: "  hsm7 sim tamper over-temperature\n  hsm7 hsm tamper show",
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, args []string) error {
			if _, err := command.ParseTamperCause(args[0]); err != nil {
				return usagef("%w", err)
			}
			if _, err := c.Tamper(ctx, args[0]); err != nil {
				return err
			}
			return a.done("%s", args[0])
		}),
	}
}
