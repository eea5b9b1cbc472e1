package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// keyAuthCommands are the commands of per-key authorization.
func (a *app) keyAuthCommands() []*cobra.Command {
	return []*cobra.Command{
		a.keyStatusCommand(), a.keyAuthorizeCommand(),
		a.keySecretCommand("set-authorization", "Change the authorization data of a key, or give it some",
			func(ctx context.Context, s *hostdrv.Session, key command.Handle, old, data []byte) error {
				return s.SetKeyAuthorization(ctx, key, old, data)
			}),
		a.keySecretCommand("reset-authorization", "Give a key that is not assigned other authorization data",
			func(ctx context.Context, s *hostdrv.Session, key command.Handle, _, data []byte) error {
				return s.ResetKeyAuthorization(ctx, key, data)
			}),
		a.keyVerbCommand("assign", "Assign a key to whoever knows its authorization data, for good", "assigned", (*hostdrv.Session).AssignKey),
		a.keyVerbCommand("unblock", "Give a key all its attempts", "unblocked", (*hostdrv.Session).UnblockKey),
	}
}

// onKey makes a command about the private or secret key with a label.
func (a *app) onKey(cmd *cobra.Command, do func(context.Context, *hostdrv.Session, command.Handle) error) *cobra.Command {
	cmd.Use += " LABEL"
	cmd.Args = exactArgs(1)
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, args []string) error {
		key, err := findHidden(ctx, s, args[0])
		if err != nil {
			return err
		}
		return do(ctx, s, key)
	})
}

// findHidden returns the one private or secret key with a label.
func findHidden(ctx context.Context, s *hostdrv.Session, label string) (command.Handle, error) {
	private, err := s.Find(ctx, command.Template{command.AttrLabel: label, command.AttrClass: command.ClassPrivateKey})
	if err != nil {
		return 0, err
	}
	secret, err := s.Find(ctx, command.Template{command.AttrLabel: label, command.AttrClass: command.ClassSecretKey})
	if err != nil {
		return 0, err
	}
	switch found := append(private, secret...); len(found) {
	case 0:
		return 0, usagef("no private or secret key has the label %q; hsm7 key list shows the labels", label)
	case 1:
		return found[0], nil
	default:
		return 0, usagef("%d keys have the label %q", len(found), label)
	}
}

func (a *app) keyStatusCommand() *cobra.Command {
	return a.onKey(&cobra.Command{Use: "status", Short: "Tell what stands against the use of a key"},
		func(ctx context.Context, s *hostdrv.Session, key command.Handle) error {
			status, err := s.KeyStatus(ctx, key)
			if err != nil {
				return err
			}
			return a.print(status, func(w io.Writer) { printKeyStatus(w, status) })
		})
}

func printKeyStatus(w io.Writer, s command.KeyStatusResponse) {
	var notes []string
	for _, note := range []struct {
		holds bool
		text  string
	}{
		{s.Status&command.KeyAuthDataSet != 0, "has authorization data"},
		{s.Assigned, "assigned"},
		{s.Status&command.KeyLockedFailedAuth != 0, "locked after wrong authorization data"},
		{s.Status&command.KeyLockedDate != 0, "outside of its dates"},
		{s.Status&command.KeyLockedUsage != 0, "used up"},
	} {
		if note.holds {
			notes = append(notes, note.text)
		}
	}
	if notes == nil {
		notes = []string{"nothing stands against its use"}
	}
	fmt.Fprintln(w, strings.Join(notes, ", "))
	if s.Status&command.KeyAuthDataSet != 0 {
		fmt.Fprintf(w, "wrong authorization data: %d of %d\n", s.Failures, s.FailureLimit)
	}
	if s.UsageLimit > 0 {
		fmt.Fprintf(w, "uses: %d of %d\n", s.Uses, s.UsageLimit)
	}
}

// Variables with the authorization data of a key.
const (
	keyAuthVariable    = "HSM7_KEY_AUTH"
	oldKeyAuthVariable = "HSM7_OLD_KEY_AUTH"
)

// authData returns authorization data, nil if there is none. The caller wipes it.
func (a *app) authData(variable, name, file string) ([]byte, error) {
	data, err := a.secret(variable, name, passwordSource{file})
	if err != nil || len(data) == 0 {
		return nil, err
	}
	return data, nil
}

func (a *app) keyAuthorizeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "authorize", Short: "Check the authorization data of a key",
		Long: "Check the authorization data of a key: authorise it and, since the session ends with the command, give the\n" +
			"authorization up again. Wrong data counts; three in a row lock the key.",
	}
	cmd.Flags().StringVar(&file, "auth-file", "", "file that holds the authorization data; otherwise "+keyAuthVariable)
	return a.onKey(cmd, func(ctx context.Context, s *hostdrv.Session, key command.Handle) error {
		data, err := a.authData(keyAuthVariable, "authorization data", file)
		if err != nil {
			return err
		}
		defer clear(data)
		if err := s.AuthorizeKey(ctx, key, data); err != nil {
			return err
		}
		return a.done("the authorization data is right")
	})
}

// keySecretCommand makes a command that sets authorization data.
func (a *app) keySecretCommand(use, short string, do func(ctx context.Context, s *hostdrv.Session, key command.Handle, old, data []byte) error) *cobra.Command {
	var file, oldFile string
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.Flags().StringVar(&file, "auth-file", "", "file that holds the new authorization data; otherwise "+keyAuthVariable)
	changes := use == "set-authorization"
	if changes {
		cmd.Flags().StringVar(&oldFile, "old-auth-file", "", "file that holds the old data; otherwise "+oldKeyAuthVariable+", empty for a key that has none")
	}
	return a.onKey(cmd, func(ctx context.Context, s *hostdrv.Session, key command.Handle) error {
		data, err := a.authData(keyAuthVariable, "new authorization data", file)
		if err != nil {
			return err
		}
		defer clear(data)
		var old []byte
		if changes {
			if old, err = a.authData(oldKeyAuthVariable, "old authorization data", oldFile); err != nil {
				return err
			}
			defer clear(old)
		}
		if err := do(ctx, s, key, old, data); err != nil {
			return err
		}
		return a.done("the authorization data is set")
	})
}

func (a *app) keyVerbCommand(use, short, done string, do func(*hostdrv.Session, context.Context, command.Handle) error) *cobra.Command {
	return a.onKey(&cobra.Command{Use: use, Short: short}, func(ctx context.Context, s *hostdrv.Session, key command.Handle) error {
		if err := do(s, ctx, key); err != nil {
			return err
		}
		return a.done("the key is %s", done)
	})
}
