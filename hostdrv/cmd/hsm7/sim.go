package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"usbhsm7/firmware/control"
)

// simCommand holds what a person's hands would do to a physical unit.
func (a *app) simCommand() *cobra.Command {
	var path string
	simulator := func() (*control.Client, error) { return simulatorAt(path) }
	cmd := group("bus", "sim", "Handle a simulated device: power, clock, sensors, screen, iKeys, snapshots, and what goes wrong on its cable",
		a.simCall(simulator, "status", "Tell what is simulated and where", (*control.Client).Status),
		a.simCall(simulator, "power-on", "Switch the device on", (*control.Client).PowerOn),
		a.simCall(simulator, "power-off", "Switch the device off, as if the cable was pulled", (*control.Client).PowerOff),
		a.simCall(simulator, "power-cycle", "Switch the device off and on again", powerCycle),
		a.clockCommand(simulator), a.snapshotCommand(simulator), a.restoreCommand(simulator), a.forkCommand(simulator), a.digestStateCommand(simulator),
		a.tamperSensorCommand(simulator), a.faultCommand(simulator),
		a.screenCommand(simulator), a.touchCommand(simulator), a.pressCommand(simulator), a.answerCommand(simulator),
		a.ikeyCommand(simulator), a.autoCommand(simulator),
	)
	cmd.Example = "  export HSM7_CONTROL=./hsm/control.sock\n  hsm7 sim status\n  hsm7 sim power-cycle"
	controlFlag(cmd.PersistentFlags(), &path)
	return cmd
}

func controlFlag(flags *pflag.FlagSet, path *string) {
	flags.StringVar(path, "control", environment("HSM7_CONTROL", ""), "path of the simulator's control socket; also HSM7_CONTROL")
}

// simulatorAt returns a client of the simulator whose control socket is at path.
func simulatorAt(path string) (*control.Client, error) {
	if path == "" {
		return nil, usagef("which simulator? give the path of its control socket with --control or HSM7_CONTROL; usbhsm7 --state-dir DIR makes DIR/control.sock")
	}
	return control.NewClient(path), nil
}

func powerCycle(c *control.Client, ctx context.Context) (control.Status, error) {
	if _, err := c.PowerOff(ctx); err != nil {
		return control.Status{}, err
	}
	return c.PowerOn(ctx)
}

// simCall makes a command of one request to the simulator.
func (a *app) simCall(simulator func() (*control.Client, error), use, short string, call func(*control.Client, context.Context) (control.Status, error)) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, _ []string) error {
		status, err := call(c, ctx)
		if err != nil {
			return err
		}
		return a.print(status, func(w io.Writer) { printStatus(w, status) })
	})}
}

func printStatus(w io.Writer, s control.Status) {
	power := "off"
	if s.Powered {
		power = "on"
	}
	fmt.Fprintf(w, "%s, serial %s, firmware %s: %s\n", s.Model, s.Serial, s.Firmware, power)
	fmt.Fprintf(w, "  USB/IP  %s bus ID %s (%s)\n", s.Listen, s.BusID, s.USBID)
	fmt.Fprintf(w, "  process %d\n", s.PID)
	if s.Screen != "" {
		fmt.Fprintf(w, "  screen  %s\n", s.Screen)
	}
	if s.Shipped != nil {
		fmt.Fprintf(w, "  random user string %s, verification string %s\n", s.Shipped.Random, s.Shipped.Verification)
	}
}
