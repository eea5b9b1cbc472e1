package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"usbhsm7/firmware/command"
)

// passwordSource says where a password comes from; the zero value means the
// environment or the terminal.
type passwordSource struct{ file string }

// passwordFlag adds --password-file to cmd.
func passwordFlag(cmd *cobra.Command, from *passwordSource) {
	cmd.Flags().StringVar(&from.file, "password-file", "", "file that holds the password; a newline at its end is dropped")
}

// password returns the password of role. The caller wipes it.
func (a *app) password(role command.Role, from passwordSource) ([]byte, error) {
	return a.secret(passwordVariable(role), "password for "+role.String(), from)
}

func passwordVariable(role command.Role) string {
	return "HSM7_" + strings.ToUpper(role.String()) + "_PASSWORD"
}

// secret returns what a file, a variable of the environment or the terminal
// holds. The caller wipes it.
func (a *app) secret(variable, name string, from passwordSource) ([]byte, error) {
	if from.file != "" {
		data, err := os.ReadFile(from.file)
		if err != nil {
			return nil, fmt.Errorf("read the %s: %w", name, err)
		}
		return bytes.TrimSuffix(data, []byte("\n")), nil
	}
	if value, ok := os.LookupEnv(variable); ok {
		return []byte(value), nil
	}
	if !term.IsTerminal(int(a.in.Fd())) {
		return nil, usagef("no %s: set %s, or use a file (--help tells which flag), or run in a terminal", name, variable)
	}
	fmt.Fprintf(a.errs, "Enter %s: ", name)
	secret, err := term.ReadPassword(int(a.in.Fd()))
	fmt.Fprintln(a.errs)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", name, err)
	}
	return secret, nil
}

// newPassword returns a password to be set. On a terminal it is asked for twice.
func (a *app) newPassword(role command.Role, from passwordSource) ([]byte, error) {
	first, err := a.password(role, from)
	if err != nil || from.file != "" || !term.IsTerminal(int(a.in.Fd())) {
		return first, err
	}
	if _, set := os.LookupEnv(passwordVariable(role)); set {
		return first, nil
	}
	fmt.Fprintf(a.errs, "Re-enter password for %s: ", role)
	again, err := term.ReadPassword(int(a.in.Fd()))
	fmt.Fprintln(a.errs)
	defer clear(again)
	if err != nil {
		return nil, fmt.Errorf("read the password: %w", err)
	}
	if !bytes.Equal(first, again) {
		clear(first)
		return nil, usagef("the two passwords differ")
	}
	return first, nil
}
