package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// tamperCommand holds what there is to do after a tamper event.
func (a *app) tamperCommand() *cobra.Command {
	show := &cobra.Command{
		Use: "show", Short: "Tell what the sensors have found", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, a.showTamper)
		},
	}
	var from passwordSource
	forget := &cobra.Command{
		Use: "clear", Short: "Forget what the sensors have found and unlock the HSM (HSM SO, if there is one)", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				return a.clearTamper(ctx, s, from)
			})
		},
	}
	passwordFlag(forget, &from)
	return group("", "tamper", "See what happened to the device, and unlock it", show, forget)
}

func (a *app) showTamper(ctx context.Context, s *hostdrv.Session) error {
	r, err := s.Tamper(ctx)
	if err != nil {
		return err
	}
	return a.print(r, func(w io.Writer) { printTamper(w, r) })
}

func printTamper(w io.Writer, r command.TamperShowResponse) {
	for _, e := range r.Events {
		fmt.Fprintf(w, "%-18s %s  message %d\n", e.Cause, time.Unix(e.Time, 0).UTC().Format(time.RFC3339), e.Message)
	}
	switch {
	case r.Restart:
		fmt.Fprintln(w, "the device must restart: hsm7 hsm restart")
	case r.Latched && r.Login:
		fmt.Fprintln(w, "locked until the HSM SO clears it: hsm7 hsm tamper clear")
	case r.Latched:
		fmt.Fprintln(w, "locked until anybody clears it: hsm7 hsm tamper clear")
	case len(r.Events) == 0:
		fmt.Fprintln(w, "no tamper event")
	}
}

func (a *app) clearTamper(ctx context.Context, s *hostdrv.Session, from passwordSource) error {
	if err := a.loginIfInitialised(ctx, s, from); err != nil {
		return err
	}
	if err := s.ClearTamper(ctx); err != nil {
		return err
	}
	r, err := s.Tamper(ctx)
	if err != nil {
		return err
	}
	if r.Restart {
		return a.done("tamper event cleared; the device must restart: hsm7 hsm restart")
	}
	return a.done("tamper event cleared")
}

// loginIfInitialised logs the HSM SO in if there is one.
func (a *app) loginIfInitialised(ctx context.Context, s *hostdrv.Session, from passwordSource) error {
	state, err := s.RoleState(ctx, command.RoleSO)
	if err != nil || !state.Initialised {
		return err
	}
	return a.logIn(ctx, s, command.RoleSO, from)
}

func (a *app) hsmRestartCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restart", Short: "Have the device leave the bus and come back; every session ends", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDevice(cmd.Context(), func(ctx context.Context, d *hostdrv.Device) error {
				if err := restart(ctx, d); err != nil {
					return err
				}
				return a.done("the device has restarted")
			})
		},
	}
}

// restartPatience is how long a device may take to come back.
const restartPatience = 10 * time.Second

// restart returns when the device is back.
func restart(ctx context.Context, d *hostdrv.Device) error {
	s, err := d.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	return follow(ctx, d)
}

// follow waits for a device that restarts.
func follow(ctx context.Context, d *hostdrv.Device) error {
	ctx, cancel := context.WithTimeout(ctx, restartPatience)
	defer cancel()
	return d.Follow(ctx)
}

// stmCommand holds Secure Transport Mode.
func (a *app) stmCommand() *cobra.Command {
	transport := &cobra.Command{Use: "transport", Short: "Begin Secure Transport Mode and tell the strings for the receiver (HSM SO)", Args: noArgs}
	a.asRole(command.RoleSO, transport, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		strings, err := s.Transport(ctx)
		if err != nil {
			return err
		}
		return a.print(strings, func(w io.Writer) {
			fmt.Fprintf(w, "random user string   %s\nverification string  %s\n", strings.Random, strings.Verification)
		})
	})
	show := &cobra.Command{
		Use: "show", Short: "Tell whether the HSM is in Secure Transport Mode", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, a.showTransport)
		},
	}
	cmd := group("", "stm", "Send the HSM on a way, and see whether it was touched there", transport, a.stmRecoverCommand(), show)
	cmd.Long = `Secure Transport Mode tells whether an HSM was touched on its way.

The sender runs "transport" and passes both strings on by another way than the
HSM itself. Until the receiver runs "recover", few commands work.`
	return cmd
}

func (a *app) showTransport(ctx context.Context, s *hostdrv.Session) error {
	active, err := s.InTransport(ctx)
	if err != nil {
		return err
	}
	return a.print(command.STMShowResponse{Active: active}, func(w io.Writer) {
		text := map[bool]string{true: "in Secure Transport Mode", false: "not in Secure Transport Mode"}
		fmt.Fprintln(w, text[active])
	})
}

// recovery is what the receiver knows.
type recovery struct {
	command.STMStrings
	force bool
	from  passwordSource
}

func (a *app) stmRecoverCommand() *cobra.Command {
	var r recovery
	cmd := &cobra.Command{
		Use:   "recover --random-user-string STRING",
		Short: "Compare the strings and end Secure Transport Mode (HSM SO, if there is one)",
		Long: `Compare the strings that the sender passed on with what the HSM computes, and
end Secure Transport Mode if they agree. Without --verification-string the HSM's
string is shown and nothing else is done. If the strings differ somebody may have
touched the HSM, or mistyped a string; --force ends the mode all the same.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				return a.recoverTransport(ctx, s, r)
			})
		},
	}
	cmd.Flags().StringVar(&r.Random, "random-user-string", "", "first string of the sender")
	cmd.Flags().StringVar(&r.Verification, "verification-string", "", "second string of the sender")
	cmd.Flags().BoolVar(&r.force, "force", false, "end the mode whatever the strings say")
	passwordFlag(cmd, &r.from)
	return cmd
}

func (a *app) recoverTransport(ctx context.Context, s *hostdrv.Session, r recovery) error {
	if err := a.loginIfInitialised(ctx, s, r.from); err != nil {
		return err
	}
	computed, err := s.Recover(ctx, r.Random, r.force)
	switch {
	case err != nil:
		return err
	case r.Verification != "" && r.Verification != computed && !r.force:
		return fmt.Errorf("the HSM computes the verification string %s, not %s: it may have been touched, or a string is mistyped; --force ends Secure Transport Mode all the same", computed, r.Verification)
	case r.Verification == computed && !r.force:
		if _, err := s.Recover(ctx, r.Random, true); err != nil {
			return err
		}
	}
	ended := r.force || r.Verification == computed
	return a.print(map[string]any{"verification_string": computed, "recovered": ended}, func(w io.Writer) {
		fmt.Fprintf(w, "verification string  %s\n", computed)
		if ended {
			fmt.Fprintln(w, "Secure Transport Mode ended")
		} else {
			fmt.Fprintln(w, "compare it, and give it with --verification-string to end Secure Transport Mode")
		}
	})
}
