package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

func (a *app) roleCommand() *cobra.Command {
	return group("admin", "role", "Initialise and activate roles, change what they log in with, show states",
		a.roleInitCommand(), a.roleResetCommand(), a.rolePasswordCommand(), a.roleShowCommand(),
		a.roleChallengeCommand(), a.roleActivateCommand(), a.roleDeactivateCommand())
}

func (a *app) roleInitCommand() *cobra.Command {
	return a.appointCommand("init", "initialised", `Set the first password of a role: of co as po, of lco and cu as co, of
administrator as so, of auditor without a login. While HSM policy 21 is on, the
role has to change it (hsm7 role password) before it can do anything else. With
quorum authentication people make a keyset at the device instead.`,
		"Set the first password of a role, or have its keyset made", (*hostdrv.Session).InitRole)
}

func (a *app) roleResetCommand() *cobra.Command {
	return a.appointCommand("reset", "reset", `Give a role that has a password another one, and unlock it: co as po if HSM
policy 15 is on, lco and cu as co, administrator as so. With quorum
authentication people make a keyset at the device instead; a challenge secret
is forgotten.`,
		"Give a role another password or keyset and unlock it", (*hostdrv.Session).ResetRole)
}

// appointCommand makes a command in which one role sets the password of another.
func (a *app) appointCommand(verb, done, long, short string, do func(*hostdrv.Session, context.Context, command.Role, []byte) error) *cobra.Command {
	var from, newFrom passwordSource
	cmd := &cobra.Command{
		Use: verb + " ROLE", Short: short, Long: long,
		Example: "  HSM7_PO_PASSWORD=po-password HSM7_CO_PASSWORD=co-password hsm7 role " + verb + " co",
		Args:    exactArgs(1), ValidArgs: roleNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parseRole(args[0])
			if err != nil {
				return err
			}
			set := func(ctx context.Context, s *hostdrv.Session) error {
				password, err := a.newProof(ctx, s, role, newFrom)
				if err != nil {
					return err
				}
				defer clear(password)
				if err := do(s, ctx, role, password); err != nil {
					return err
				}
				return a.done("role %s %s", role, done)
			}
			if info, _ := role.Info(); info.By != command.RoleNone {
				return a.withLogin(cmd.Context(), info.By, from, set)
			}
			return a.withSession(cmd.Context(), role.Slot(), set)
		},
	}
	passwordFlag(cmd, &from)
	cmd.Flags().StringVar(&newFrom.file, "new-password-file", "", "file that holds the password to set")
	return cmd
}

// roleNames lists the roles, for completion.
func roleNames() []string {
	var names []string
	for _, info := range command.RoleTable {
		names = append(names, info.Short)
	}
	return names
}

func (a *app) rolePasswordCommand() *cobra.Command {
	var from, newFrom passwordSource
	cmd := &cobra.Command{
		Use:   "password ROLE [--new-password-file FILE]",
		Short: "Change a role's password, challenge secret or keyset",
		Long: `Change a role's password. Of a role that has a keyset, a file changes its
challenge secret; without one, people present the keyset at the device and make
another.`,
		Example: "  hsm7 role password co --new-password-file new.txt",
		Args:    exactArgs(1), ValidArgs: roleNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parseRole(args[0])
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), role.Slot(), func(ctx context.Context, s *hostdrv.Session) error {
				return a.changeProof(ctx, s, role, from, newFrom)
			})
		},
	}
	passwordFlag(cmd, &from)
	cmd.Flags().StringVar(&newFrom.file, "new-password-file", "", "file that holds the password to set")
	return cmd
}

// changeProof logs a role in and changes what it logs in with.
func (a *app) changeProof(ctx context.Context, s *hostdrv.Session, role command.Role, from, newFrom passwordSource) error {
	state, err := s.RoleState(ctx, role)
	if err != nil {
		return err
	}
	keyset := state.Primary == command.AuthQuorum && newFrom.file == ""
	if !keyset && newFrom.file == "" {
		return usagef("--new-password-file is missing")
	}
	old, err := a.proof(ctx, s, role, from)
	if err != nil {
		return err
	}
	defer clear(old)
	if err := s.Login(ctx, role, old); err != nil {
		return err
	}
	if keyset {
		if err := s.ChangePassword(ctx, nil, nil); err != nil {
			return err
		}
		return a.done("keyset of %s changed", role)
	}
	password, err := a.newPassword(role, newFrom)
	if err != nil {
		return err
	}
	defer clear(password)
	if err := s.ChangePassword(ctx, old, password); err != nil {
		return err
	}
	if state.Primary == command.AuthQuorum {
		return a.done("challenge secret of %s changed", role)
	}
	return a.done("password of %s changed", role)
}

func (a *app) roleShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ROLE", Short: "Show whether a role is initialised or locked, and how many attempts are left",
		Args: exactArgs(1), ValidArgs: roleNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parseRole(args[0])
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), role.Slot(), func(ctx context.Context, s *hostdrv.Session) error {
				state, err := s.RoleState(ctx, role)
				if err != nil {
					return err
				}
				return a.print(state, func(w io.Writer) {
					fmt.Fprintf(w, "Initialised     %s\nAuthentication  %s\nLocked          %s\nAttempts left   %d\nChange due      %s\n",
						yes(state.Initialised), authentication(state), yes(state.Locked), state.AttemptsLeft, yes(state.ChangeDue || state.ChallengeDue))
					if state.Secondary != command.AuthNone {
						fmt.Fprintf(w, "Activated       %s\n", yes(state.Activated))
					}
				})
			})
		},
	}
}

// parseRole is command.ParseRole with this program's usage error.
func parseRole(name string) (command.Role, error) {
	role, err := command.ParseRole(name)
	if err != nil {
		return role, usagef("%w", err)
	}
	return role, nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
