package main

import (
	"context"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
)

// app is one run of the program: its flags and its streams.
type app struct {
	in        *os.File
	out, errs io.Writer

	json    bool
	timeout time.Duration
	where   where
	as      string // role that uses keys, if it is not co
	told    bool   // people know that the device waits for them

	// trusting makes the verifier of a bootloader that is rehearsed; nil = boot.Trusting.
	trusting func(fuf.Trust, hpke.PrivateKey) boot.Verifier
}

const about = `hsm7 finds, sets up and uses a USB hardware security module: one simulated by
usbhsm7, or a physical one that speaks the same protocol.

The device is looked for on the USB bus first and then at the simulator's
USB/IP address (--usbip), where it is used without any kernel support.

Passwords come from the environment (HSM7_SO_PASSWORD, HSM7_CO_PASSWORD and so
on, one for each role), from a file (--password-file), or are asked for on the
terminal. They are never arguments. On a device with quorum authentication there
are none: its roles log in with iKeys at its screen, and what would be their
passwords are the challenge secrets of those that have one.
`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:               "hsm7",
		Short:             "Find, set up and use a USB hardware security module",
		Long:              about + "\nExit status:\n" + exitTable(),
		Version:           version,
		Args:              knownCommand,
		RunE:              showHelp,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
	}
	// cobra asks this again before it runs a command, and would not call it wrong use.
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		return nil
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print one JSON object, or one a line where there are many")
	flags.DurationVar(&a.timeout, "timeout", time.Minute, "give up after this long; people at the device's screen have longer")
	flags.StringVar(&a.as, "as", "co", "role that logs in to use keys: co, lco or cu")
	a.where.flags(flags)
	root.AddGroup(
		&cobra.Group{ID: "device", Title: "Finding devices:"},
		&cobra.Group{ID: "bus", Title: "Attaching them, and what happens on the bus:"},
		&cobra.Group{ID: "admin", Title: "Setting up:"},
		&cobra.Group{ID: "key", Title: "Keys and what they do:"},
	)
	root.AddCommand(a.listCommand(), a.infoCommand(), a.inventoryCommand(), a.mechanismsCommand())
	root.AddCommand(a.attachCommand(), a.detachCommand(), a.portsCommand(), a.doctorCommand(), a.tlsCommand(),
		a.simCommand(), a.captureCommand(), a.replayCommand())
	root.AddCommand(a.hsmCommand(), a.partitionCommand(), a.roleCommand(), a.auditCommand(), a.fufCommand(), a.fmCommand(), a.ceremonyCommand())
	root.AddCommand(a.keyCommand(), a.objectCommand(), a.signCommand(), a.verifyCommand(), a.encryptCommand(), a.decryptCommand(),
		a.digestCommand(), a.randomCommand(), a.certCommand(), a.benchCommand())
	return root
}

// noArgs, exactArgs and checkArgs are cobra's checks with this program's usage error.
func noArgs(cmd *cobra.Command, args []string) error { return exactArgs(0)(cmd, args) }

func exactArgs(n int) cobra.PositionalArgs { return checkArgs(cobra.ExactArgs(n)) }

func checkArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w: %w; usage: %s", errUsage, err, cmd.UseLine())
		}
		return nil
	}
}

// group makes a command that only holds others.
func group(id, use, short string, members ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, GroupID: id, Args: knownCommand, RunE: showHelp}
	cmd.AddCommand(members...)
	return cmd
}

// knownCommand refuses what is no command of a group.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q for %q; %s --help lists them", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// print writes one result: v as JSON, or what text writes for people.
func (a *app) print(v any, text func(w io.Writer)) error {
	if a.json {
		return encodeJSON(a.out, v)
	}
	text(a.out)
	return nil
}

// counted returns "1 record" or "2 records".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// done reports a command that has nothing else to say.
func (a *app) done(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return a.print(map[string]string{"done": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
}

// printIndented prints what people edit, or read in lines.
func (a *app) printIndented(v any) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

func encodeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// withDevice runs f with the device open.
func (a *app) withDevice(ctx context.Context, f func(context.Context, *hostdrv.Device) error) (err error) {
	p := a.newPatience(ctx)
	defer func() { err = p.end(err) }()
	device, release, err := a.where.open(p.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	p.listen(device.NextEvent)
	return f(p.ctx, device)
}

// withSession runs f in a session of slot, without a login.
func (a *app) withSession(ctx context.Context, slot command.Slot, f func(context.Context, *hostdrv.Session) error) error {
	return a.withDevice(ctx, func(ctx context.Context, d *hostdrv.Device) error {
		session, err := d.OpenSession(ctx, slot, hostdrv.SessionOptions{})
		if err != nil {
			return err
		}
		return f(ctx, session)
	})
}

// withLogin runs f in a session of the role's slot with the role logged in.
func (a *app) withLogin(ctx context.Context, role command.Role, from passwordSource, f func(context.Context, *hostdrv.Session) error) error {
	role, err := a.actor(role)
	if err != nil {
		return err
	}
	return a.withSession(ctx, role.Slot(), func(ctx context.Context, s *hostdrv.Session) error {
		if err := a.logIn(ctx, s, role, from); err != nil {
			return err
		}
		return f(ctx, s)
	})
}

// actor returns who logs in where a command is for a role: --as may put another
// one that uses keys in the place of the Crypto Officer.
func (a *app) actor(role command.Role) (command.Role, error) {
	if role != command.RoleCO {
		return role, nil
	}
	as, err := parseRole(a.as)
	if info, _ := as.Info(); err != nil || !info.Keys {
		return role, usagef("--as %q is not co, lco or cu", a.as)
	}
	return as, nil
}

// asRole makes cmd run do in a session with role logged in.
func (a *app) asRole(role command.Role, cmd *cobra.Command, do func(ctx context.Context, s *hostdrv.Session, args []string) error) *cobra.Command {
	var from passwordSource
	passwordFlag(cmd, &from)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.withLogin(cmd.Context(), role, from, func(ctx context.Context, s *hostdrv.Session) error {
			return do(ctx, s, args)
		})
	}
	return cmd
}
