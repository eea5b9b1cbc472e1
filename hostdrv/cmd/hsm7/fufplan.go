package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// planned is what hsm7 fuf plan prints.
type planned struct {
	File string `json:"file"`
	command.UpdatePlanResponse
	Possible bool `json:"possible"` // every condition is fulfilled
}

func (a *app) fufPlanCommand() *cobra.Command {
	var (
		code, trust string
		from        passwordSource
		login       bool
	)
	cmd := &cobra.Command{
		Use: "plan FILE", Short: "Tell what an update would do to the device, and do nothing", Args: exactArgs(1), ValidArgsFunction: fufFiles,
		Long: `Have the device check every condition of an update without changing anything: what is fulfilled, what
stands against it, and how much of the file it would want. With --login the HSM SO logs in first, as for the
update itself; with --authcode the code is tried too. The exit status is 5 if the update is not possible.`,
		Example: "  hsm7 fuf plan update.fuf\n  hsm7 fuf plan update.fuf --authcode update.txt --login",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				if login {
					if err := a.logIn(ctx, s, command.RoleSO, from); err != nil {
						return err
					}
				}
				return a.planUpdate(ctx, s, args[0], code, trust)
			})
		},
	}
	cmd.Flags().StringVar(&code, "authcode", "", "file of the authentication code")
	cmd.Flags().BoolVar(&login, "login", false, "log the HSM SO in first")
	trustFlag(cmd, &trust)
	passwordFlag(cmd, &from)
	return cmd
}

func (a *app) planUpdate(ctx context.Context, s *hostdrv.Session, name, codeFile, trust string) error {
	file, err := openUpdate(name, trust)
	if err != nil {
		return err
	}
	defer file.content.Close()
	var authcode []byte
	if codeFile != "" {
		code, err := readCode(codeFile)
		if err != nil {
			return err
		}
		defer clear(code[:])
		authcode = code[:]
	}
	plan, err := s.PlanUpdate(ctx, file, authcode)
	if err != nil {
		return err
	}
	p := planned{File: name, UpdatePlanResponse: plan, Possible: true}
	var first error
	for _, c := range plan.Checks {
		if c.Status != command.StatusOK && first == nil {
			p.Possible, first = false, c.Status.With("a condition of the update is not fulfilled: "+c.Name, c.Detail)
		}
	}
	if err := a.print(p, p.text); err != nil {
		return err
	}
	return first
}

func (p planned) text(w io.Writer) {
	for _, c := range p.Checks {
		verdict, detail := "ok", c.Detail
		if c.Status != command.StatusOK {
			verdict, detail = "REFUSED", detail+"  ("+c.Status.Error()+")"
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-8s %-28s %s", verdict, c.Name, detail), " "))
	}
	if p.Possible {
		fmt.Fprintf(w, "firmware %s would take the place of %s; %d of %s would be sent\n", p.Version, p.Running, p.Missing, counted(int(p.Chunks), "chunk"))
	}
}

// firmwareCommand holds what there is to know of the firmware.
func (a *app) firmwareCommand() *cobra.Command {
	show := &cobra.Command{
		Use: "show", Short: "Show which firmware runs, what is under way, and what there is to go back to", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, a.showFirmware)
		},
	}
	floor := &cobra.Command{
		Use: "floor NUMBER", Short: "Rule out firmware of a lower security version, for good (HSM SO)", Args: exactArgs(1),
		Long: `Set the lowest security version of firmware that the device still takes, also for a rollback. It never
falls, and cannot exceed that of the firmware that runs.`,
		Example: "  hsm7 hsm firmware floor 2",
	}
	a.asRole(command.RoleSO, floor, func(ctx context.Context, s *hostdrv.Session, args []string) error {
		n, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return usagef("a security version is a number, not %q", args[0])
		}
		if err := s.RaiseFloor(ctx, uint32(n)); err != nil {
			return err
		}
		return a.done("firmware below security version %d is ruled out", n)
	})
	abort := a.simple(command.RoleSO, "abort", "Give up an update that was sent and not applied (HSM SO)", "the update is given up",
		func(ctx context.Context, s *hostdrv.Session) error { return s.AbortUpdate(ctx) })
	return group("", "firmware", "See which firmware runs, and rule older firmware out", show, floor, abort)
}

func (a *app) showFirmware(ctx context.Context, s *hostdrv.Session) error {
	status, err := s.Firmware(ctx)
	if err != nil {
		return err
	}
	return a.print(status, func(w io.Writer) { printFirmware(w, status) })
}

func printFirmware(w io.Writer, s command.UpdateStatus) {
	row := func(name, value string) { fmt.Fprintf(w, "%-18s %s\n", name, value) }
	row("running", s.Running)
	if s.Lost != "" {
		row("has decayed", s.Lost+": install it again, or later firmware")
	}
	if s.Last != command.UpdateNever {
		row("last change", s.Last.String())
	}
	if s.Rollback == "" {
		s.Rollback = "nothing"
	}
	row("to go back to", s.Rollback)
	row("security version", fmt.Sprintf("%d, floor %d", s.Security, s.Floor))
	if s.Incoming != "" {
		row("under way", fmt.Sprintf("%s, %v, %d of %s here", s.Incoming, s.State, int(s.Chunks)-len(s.Missing), counted(int(s.Chunks), "chunk")))
	}
}
