package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/control"
	"usbhsm7/usbip/fault"
)

// faultCommand holds what makes transfers of a simulated device go wrong.
func (a *app) faultCommand(simulator func() (*control.Client, error)) *cobra.Command {
	load := &cobra.Command{
		Use: "load FILE", Short: `Put a fault script in force, "-" reads it from the standard input`, Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.readScript(args[0])
			if err != nil {
				return err
			}
			return a.faultCall(cmd.Context(), simulator, "PUT", text)
		},
	}
	call := func(use, short, method string) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return a.faultCall(cmd.Context(), simulator, method, nil)
		}}
	}
	cmd := group("", "fault", "Make transfers go wrong on purpose, by a script (docs/faults.md)",
		load,
		call("show", "Show the rules in force and how often they fired", "GET"),
		call("clear", "End the script: what it holds goes on, a device that it unplugged comes back", "DELETE"),
	)
	cmd.Example = "  echo 'on bulk-in every 10: delay normal 50ms 10ms' | hsm7 sim fault load -\n  hsm7 sim fault show\n  hsm7 sim fault clear"
	return cmd
}

// readScript reads a fault script and checks what can be checked without the
// device, so that an error names the file.
func (a *app) readScript(name string) ([]byte, error) {
	text, err := a.readInput(name)
	if err != nil {
		return nil, err
	}
	if _, err := fault.Parse(string(text)); err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return text, nil
}

func (a *app) faultCall(ctx context.Context, simulator func() (*control.Client, error), method string, script []byte) error {
	client, err := simulator()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var report fault.Report
	if err := client.Call(ctx, method, "/faults", script, &report); err != nil {
		return err
	}
	return a.print(report, func(w io.Writer) { printFaults(w, report) })
}

func printFaults(w io.Writer, r fault.Report) {
	if len(r.Rules) == 0 {
		fmt.Fprintln(w, "no faults")
		return
	}
	fmt.Fprintf(w, "seed %d\n", r.Seed)
	fmt.Fprintf(w, "line  matched  fired  rule\n")
	for _, rule := range r.Rules {
		fmt.Fprintf(w, "%4d  %7d  %5d  %s\n", rule.Line, rule.Matched, rule.Fired, rule.Rule)
	}
}
