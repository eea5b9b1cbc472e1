package main

import (
	"context"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// authentication tells people what a role logs in with.
func authentication(state command.RoleStateResponse) string {
	switch {
	case state.Primary == command.AuthQuorum && state.Secondary != command.AuthNone:
		return "iKeys and challenge secret"
	case state.Primary == command.AuthQuorum:
		return "iKeys"
	}
	return state.Primary.String()
}

func (a *app) roleChallengeCommand() *cobra.Command {
	var from, secretFrom passwordSource
	cmd := &cobra.Command{
		Use:   "challenge ROLE [--challenge-file FILE]",
		Short: "Give a role that has a keyset a challenge secret",
		Long: `Give a role that has a keyset a challenge secret, which it must send to log in
from then on: co as po, lco and cu as co. The device makes one and shows it on its
screen, or takes that of a file. It stands where a password would:
HSM7_CO_PASSWORD and so on. While HSM policy 21 is on, the role has to change it
(hsm7 role password ROLE --new-password-file FILE). While partition policy 22 is
on, a login with both activates the role: then the challenge secret is enough.`,
		Example: "  hsm7 role challenge co\n  hsm7 role challenge cu --challenge-file secret.txt",
		Args:    exactArgs(1), ValidArgs: keyRoleNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parseKeyRole(args[0])
			if err != nil {
				return err
			}
			var secret []byte
			if secretFrom.file != "" {
				if secret, err = a.secret("", "challenge secret", secretFrom); err != nil {
					return err
				}
				defer clear(secret)
			}
			info, _ := role.Info()
			return a.withLogin(cmd.Context(), info.By, from, func(ctx context.Context, s *hostdrv.Session) error {
				if err := s.CreateChallenge(ctx, role, secret); err != nil {
					return err
				}
				return a.done("role %s has a challenge secret", role)
			})
		},
	}
	passwordFlag(cmd, &from)
	cmd.Flags().StringVar(&secretFrom.file, "challenge-file", "", "file that holds the challenge secret; a newline at its end is dropped")
	return cmd
}

func (a *app) roleActivateCommand() *cobra.Command {
	var from passwordSource
	cmd := &cobra.Command{
		Use:   "activate ROLE",
		Short: "Log a role in and out, after which its challenge secret is enough",
		Long: `Log a role in with its keyset and its challenge secret, and out. While partition
policy 22 is on that activates it: from then on its challenge secret is enough,
for as long as the device has power, and with policy 23 for two hours without.`,
		Example: "  HSM7_CO_PASSWORD=challenge-secret hsm7 role activate co",
		Args:    exactArgs(1), ValidArgs: keyRoleNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parseKeyRole(args[0])
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), role.Slot(), func(ctx context.Context, s *hostdrv.Session) error {
				return a.activate(ctx, s, role, from)
			})
		},
	}
	passwordFlag(cmd, &from)
	return cmd
}

// activate logs a role in if that may activate it.
func (a *app) activate(ctx context.Context, s *hostdrv.Session, role command.Role, from passwordSource) error {
	state, err := s.RoleState(ctx, role)
	switch {
	case err != nil:
		return err
	case state.Primary == command.AuthPassword:
		return usagef("%s has a password: only roles with keysets are activated", role)
	case state.Primary == command.AuthQuorum && state.Secondary == command.AuthNone:
		return usagef("%s has no challenge secret; hsm7 role challenge gives it one", role)
	}
	if err := a.logIn(ctx, s, role, from); err != nil {
		return err
	}
	if state, err = s.RoleState(ctx, role); err != nil {
		return err
	}
	if !state.Activated {
		return usagef("partition policy 22 is off: no role is activated; hsm7 partition change-policy 22=1 turns it on")
	}
	return a.done("role %s is activated", role)
}

func (a *app) roleDeactivateCommand() *cobra.Command {
	var (
		from passwordSource
		by   string
	)
	cmd := &cobra.Command{
		Use:     "deactivate ROLE",
		Short:   "Have an activated role present its keyset again",
		Example: "  hsm7 role deactivate co\n  hsm7 role deactivate co --by co",
		Args:    exactArgs(1), ValidArgs: keyRoleNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parseKeyRole(args[0])
			if err != nil {
				return err
			}
			who, err := parseRole(by)
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), role.Slot(), func(ctx context.Context, s *hostdrv.Session) error {
				if err := a.logIn(ctx, s, who, from); err != nil {
					return err
				}
				if err := s.Deactivate(ctx, role); err != nil {
					return err
				}
				return a.done("role %s is deactivated", role)
			})
		},
	}
	passwordFlag(cmd, &from)
	cmd.Flags().StringVar(&by, "by", command.RolePO.String(), "role that logs in to do it: po, the role itself, or the one that initialises it")
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(append(keyRoleNames(), command.RolePO.String()), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// keyRoleNames lists the roles that can have a challenge secret, for completion.
func keyRoleNames() []string {
	var names []string
	for _, info := range command.RoleTable {
		if info.Keys {
			names = append(names, info.Short)
		}
	}
	return names
}

// parseKeyRole is parseRole for one of them.
func parseKeyRole(name string) (command.Role, error) {
	role, err := parseRole(name)
	if info, _ := role.Info(); err == nil && !info.Keys {
		err = usagef("%s has no challenge secret: only co, lco and cu may have one", role)
	}
	return role, err
}
