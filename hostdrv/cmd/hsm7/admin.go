package main

import (
	"context"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

func (a *app) hsmCommand() *cobra.Command {
	return group("admin", "hsm", "Initialise, zeroize, reset, unlock, restart or update the HSM, and send it on a way", a.hsmInitCommand(), a.hsmZeroizeCommand(), a.hsmResetCommand(),
		a.policiesCommand(ofHSM), a.changePolicyCommand(ofHSM), a.tamperCommand(), a.stmCommand(), a.hsmRestartCommand(),
		a.firmwareCommand(), a.updateCommand("updatefw --fuf FILE --authcode FILE"), a.rollbackCommand(), a.updateCapCommand(), a.licencesCommand())
}

func (a *app) hsmInitCommand() *cobra.Command {
	var (
		req   command.HSMInitRequest
		from  passwordSource
		auth  string
		force bool
	)
	cmd := &cobra.Command{
		Use:   "init --label LABEL",
		Short: "Give the HSM a label and an HSM SO; everything on it is destroyed",
		Long: `Give the HSM a label and an HSM SO, and choose how its roles authenticate: with
passwords, or with iKeys at the screen of the device (--auth quorum). That stays
so until the HSM is zeroized or reset. A new or zeroized HSM takes the password of
HSM7_SO_PASSWORD, or has people make the keysets of the HSM SO and of the domain.
An initialised HSM wants the HSM SO as proof, keeps it, and loses its partition
and every key; say --force to mean that.`,
		Example: "  HSM7_SO_PASSWORD=so-password hsm7 hsm init --label demo\n  hsm7 hsm init --label demo --auth quorum",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if auth != "" {
				if req.Method, err = command.ParseAuthMethod(auth); err != nil {
					return usagef("--auth: %w", err)
				}
			}
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				return a.initHSM(ctx, s, req, from, force)
			})
		},
	}
	cmd.Flags().StringVar(&req.Label, "label", "", "label, 1 to 32 bytes")
	cmd.Flags().StringVar(&auth, "auth", "", "how the roles authenticate: password (what a new HSM has without this) or quorum")
	_ = cmd.RegisterFlagCompletionFunc("auth", cobra.FixedCompletions([]string{command.AuthPassword.String(), command.AuthQuorum.String()}, cobra.ShellCompDirectiveNoFileComp))
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
	switch {
	case state.Initialised:
		err = a.logIn(ctx, s, command.RoleSO, from)
	case req.Method != command.AuthQuorum:
		req.Password, err = a.newPassword(command.RoleSO, from)
	case from.file != "":
		err = usagef("--password-file and --auth quorum exclude each other")
	}
	if err != nil {
		return err
	}
	defer clear(req.Password)
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
				if err := a.loginIfInitialised(ctx, s, from); err != nil {
					return err
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
		Short:   "Give the partition a label and a Partition SO, with a password or with iKeys as the HSM has it",
		Example: "  HSM7_PO_PASSWORD=po-password hsm7 partition init --label keys",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotPartition, func(ctx context.Context, s *hostdrv.Session) error {
				state, err := s.RoleState(ctx, command.RolePO)
				if err != nil {
					return err
				}
				if state.Initialised && !force {
					return usagef("the partition is initialised; --force destroys every key on it")
				}
				if state.Initialised {
					if err := a.logIn(ctx, s, command.RolePO, from); err != nil {
						return err
					}
				}
				if req.Password, err = a.newProof(ctx, s, command.RolePO, from); err != nil {
					return err
				}
				defer clear(req.Password)
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
