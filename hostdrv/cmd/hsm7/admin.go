package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

func (a *app) hsmCommand() *cobra.Command {
	return group("admin", "hsm", "Initialise, zeroize, reset, unlock or restart the HSM, and send it on a way", a.hsmInitCommand(), a.hsmZeroizeCommand(), a.hsmResetCommand(),
		a.policiesCommand(ofHSM), a.changePolicyCommand(ofHSM), a.tamperCommand(), a.stmCommand(), a.hsmRestartCommand())
}

func (a *app) hsmInitCommand() *cobra.Command {
	var (
		req   command.HSMInitRequest
		from  passwordSource
		force bool
	)
	cmd := &cobra.Command{
		Use:   "init --label LABEL",
		Short: "Give the HSM a label and an HSM SO password; everything on it is destroyed",
		Long: `Give the HSM a label and an HSM SO password. A new or zeroized HSM takes the
password of HSM7_SO_PASSWORD. An initialised HSM wants that password as proof,
keeps it, and loses its partition and every key; say --force to mean that.`,
		Example: "  HSM7_SO_PASSWORD=so-password hsm7 hsm init --label demo",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				return a.initHSM(ctx, s, req, from, force)
			})
		},
	}
	cmd.Flags().StringVar(&req.Label, "label", "", "label, 1 to 32 bytes")
	cmd.Flags().BoolVar(&force, "force", false, "initialise again, destroying the partition and its keys")
	policyFlag(cmd, &req.Policies)
	passwordFlag(cmd, &from)
	return cmd
}

// initHSM does a hard initialisation, or with force a soft one.
func (a *app) initHSM(ctx context.Context, s *hostdrv.Session, req command.HSMInitRequest, from passwordSource, force bool) error {
	state, err := s.RoleState(ctx, command.RoleSO)
	if err != nil {
		return err
	}
	if state.Initialised && !force {
		return usagef("the HSM is initialised; --force destroys its partition and every key")
	}
	password, err := a.newPassword(command.RoleSO, from)
	if err != nil {
		return err
	}
	defer clear(password)
	if state.Initialised {
		if err := s.Login(ctx, command.RoleSO, password); err != nil {
			return err
		}
	} else {
		req.Password = password
	}
	if err := s.InitHSM(ctx, req); err != nil {
		return err
	}
	return a.done("HSM %q initialised", req.Label)
}

func (a *app) hsmZeroizeCommand() *cobra.Command {
	return a.simple(command.RoleSO, "zeroize", "Destroy all keys, partitions and roles", "HSM zeroized",
		func(ctx context.Context, s *hostdrv.Session) error { return s.Zeroize(ctx) })
}

func (a *app) hsmResetCommand() *cobra.Command {
	var from passwordSource
	cmd := &cobra.Command{
		Use:   "factory-reset",
		Short: "Back to the state of delivery",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				state, err := s.RoleState(ctx, command.RoleSO)
				if err != nil {
					return err
				}
				if state.Initialised {
					password, err := a.password(command.RoleSO, from)
					if err != nil {
						return err
					}
					defer clear(password)
					if err := s.Login(ctx, command.RoleSO, password); err != nil {
						return err
					}
				}
				if err := s.FactoryReset(ctx); err != nil {
					return err
				}
				return a.done("HSM reset to factory state")
			})
		},
	}
	passwordFlag(cmd, &from)
	return cmd
}

// simple makes a command that logs role in and does one thing.
func (a *app) simple(role command.Role, use, short, done string, do func(context.Context, *hostdrv.Session) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: noArgs}
	return a.asRole(role, cmd, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		if err := do(ctx, s); err != nil {
			return err
		}
		return a.done("%s", done)
	})
}

func (a *app) partitionCommand() *cobra.Command {
	return group("admin", "partition", "Create, initialise or delete the application partition",
		a.simple(command.RoleSO, "create", "Create the application partition (HSM SO)", "partition created",
			func(ctx context.Context, s *hostdrv.Session) error { return s.CreatePartition(ctx) }),
		a.partitionInitCommand(),
		a.simple(command.RoleSO, "delete", "Delete the partition and every key on it (HSM SO)", "partition deleted",
			func(ctx context.Context, s *hostdrv.Session) error { return s.DeletePartition(ctx) }),
		a.policiesCommand(ofPartition), a.changePolicyCommand(ofPartition),
	)
}

func (a *app) partitionInitCommand() *cobra.Command {
	var (
		req   command.PartitionInitRequest
		from  passwordSource
		force bool
	)
	cmd := &cobra.Command{
		Use:     "init --label LABEL",
		Short:   "Give the partition a label and a Partition SO password",
		Example: "  HSM7_PO_PASSWORD=po-password hsm7 partition init --label keys",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := a.newPassword(command.RolePO, from)
			if err != nil {
				return err
			}
			defer clear(password)
			return a.withSession(cmd.Context(), command.SlotPartition, func(ctx context.Context, s *hostdrv.Session) error {
				state, err := s.RoleState(ctx, command.RolePO)
				if err != nil {
					return err
				}
				if state.Initialised && !force {
					return usagef("the partition is initialised; --force destroys every key on it")
				}
				if state.Initialised {
					if err := s.Login(ctx, command.RolePO, password); err != nil {
						return err
					}
				}
				req.Password = password
				if err := s.InitPartition(ctx, req); err != nil {
					return err
				}
				return a.done("partition %q initialised", req.Label)
			})
		},
	}
	cmd.Flags().StringVar(&req.Label, "label", "", "label, 1 to 32 bytes")
	cmd.Flags().BoolVar(&force, "force", false, "initialise again, destroying every key on it")
	policyFlag(cmd, &req.Policies)
	passwordFlag(cmd, &from)
	return cmd
}

func (a *app) roleCommand() *cobra.Command {
	return group("admin", "role", "Initialise roles, change passwords, show states",
		a.roleInitCommand(), a.roleResetCommand(), a.rolePasswordCommand(), a.roleShowCommand())
}

func (a *app) roleInitCommand() *cobra.Command {
	return a.appointCommand("init", "initialised", `Set the first password of a role: of co as po, of lco and cu as co, of
administrator as so, of auditor without a login. While HSM policy 21 is on, the
role has to change it (hsm7 role password) before it can do anything else.`,
		"Set the first password of a role", (*hostdrv.Session).InitRole)
}

func (a *app) roleResetCommand() *cobra.Command {
	return a.appointCommand("reset", "reset", `Give a role that has a password another one, and unlock it: co as po if HSM
policy 15 is on, lco and cu as co, administrator as so.`,
		"Give a role another password and unlock it", (*hostdrv.Session).ResetRole)
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
			password, err := a.newPassword(role, newFrom)
			if err != nil {
				return err
			}
			defer clear(password)
			set := func(ctx context.Context, s *hostdrv.Session) error {
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
		Use:     "password ROLE --new-password-file FILE",
		Short:   "Change a role's password",
		Example: "  hsm7 role password co --new-password-file new.txt",
		Args:    exactArgs(1), ValidArgs: roleNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parseRole(args[0])
			if err != nil {
				return err
			}
			if newFrom.file == "" {
				return usagef("--new-password-file is missing")
			}
			old, err := a.password(role, from)
			if err != nil {
				return err
			}
			defer clear(old)
			password, err := a.newPassword(role, newFrom)
			if err != nil {
				return err
			}
			defer clear(password)
			return a.withSession(cmd.Context(), role.Slot(), func(ctx context.Context, s *hostdrv.Session) error {
				if err := s.Login(ctx, role, old); err != nil {
					return err
				}
				if err := s.ChangePassword(ctx, old, password); err != nil {
					return err
				}
				return a.done("password of %s changed", role)
			})
		},
	}
	passwordFlag(cmd, &from)
	cmd.Flags().StringVar(&newFrom.file, "new-password-file", "", "file that holds the password to set")
	return cmd
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
					fmt.Fprintf(w, "Initialised     %s\nLocked          %s\nAttempts left   %d\nChange due      %s\n",
						yes(state.Initialised), yes(state.Locked), state.AttemptsLeft, yes(state.ChangeDue))
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
