package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// maxCapabilityFile is the size of the largest capability update, bytes.
const maxCapabilityFile = 64 << 10

func (a *app) updateCapCommand() *cobra.Command {
	var (
		file, code string
		from       passwordSource
	)
	cmd := &cobra.Command{
		Use: "updatecap --cuf FILE --authcode FILE", Short: "Raise what the HSM may do by a capability update (HSM SO)", Args: noArgs,
		Long: `Have the device take a capability update: a licence that raises capabilities, or the room for objects. The
licence stays with the device, also after a factory reset. Some licences destroy the partition: hsm7 fuf
inspect shows what the vendor says about it. The device leaves the bus and comes back.`,
		Example: "  hsm7 hsm updatecap --cuf licence.cuf --authcode licence.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" || code == "" {
				return usagef("--cuf and --authcode must be given")
			}
			return a.updateCapability(cmd.Context(), file, code, from)
		},
	}
	cmd.Flags().StringVar(&file, "cuf", "", "capability update")
	cmd.Flags().StringVar(&code, "authcode", "", "file of the authentication code")
	passwordFlag(cmd, &from)
	return cmd
}

func (a *app) updateCapability(ctx context.Context, file, codeFile string, from passwordSource) error {
	content, code, err := readWithCode(file, maxCapabilityFile, codeFile)
	if err != nil {
		return err
	}
	defer clear(code[:])
	return a.withAdmin(ctx, from, func(ctx context.Context, d *hostdrv.Device, s *hostdrv.Session) error {
		if err := s.UpdateCapability(ctx, content, code[:]); err != nil {
			return err
		}
		if err := follow(ctx, d); err != nil {
			return err
		}
		return a.withLicences(ctx, d, "the licence is there, and the device is back")
	})
}

// withLicences reports what was done, and the licences that there are.
func (a *app) withLicences(ctx context.Context, d *hostdrv.Device, done string) error {
	s, err := d.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	list, err := s.Licences(ctx)
	if err != nil {
		return err
	}
	return a.print(command.LicencesResponse{Licences: list}, func(w io.Writer) {
		if done != "" {
			fmt.Fprintln(w, done)
		}
		for _, l := range list {
			fmt.Fprintf(w, "licence %-10d %s\n", l.ID, l.Name)
		}
		if len(list) == 0 {
			fmt.Fprintln(w, "no licences")
		}
	})
}

func (a *app) licencesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "licences", Short: "List what capability updates have brought", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDevice(cmd.Context(), func(ctx context.Context, d *hostdrv.Device) error { return a.withLicences(ctx, d, "") })
		},
	}
}

// fufLicenceCommand makes the payload of a capability update.
func (a *app) fufLicenceCommand() *cobra.Command {
	var (
		out     string
		example bool
	)
	cmd := &cobra.Command{
		Use: "licence [FILE]", Short: "Make the payload of a capability update", Args: cobra.MaximumNArgs(1),
		Long: `Make a licence, the payload of a capability update (kind "capability"), from a file of JSON: which
capabilities rise, or how much room there is for objects, for one device or any. --example prints one to
begin with.`,
		Example: "  hsm7 fuf licence --example >licence.json\n  hsm7 fuf licence licence.json --out licence",
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case example:
				return a.printIndented(&boot.Licence{
					Schema: boot.LicenceSchema, ID: 1, Name: "automatic activation",
					Grants: []boot.Grant{{Table: boot.HSMPolicies, ID: 51, Capability: 1}},
				})
			case len(args) == 0 || out == "":
				return usagef("a FILE and --out must be given, or --example")
			}
			return a.encodeLicence(args[0], out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the licence")
	cmd.Flags().BoolVar(&example, "example", false, "print a licence to begin with")
	return cmd
}

func (a *app) encodeLicence(name, out string) error {
	text, err := readBounded(name, maxCapabilityFile)
	if err != nil {
		return err
	}
	l, err := boot.ParseLicence(text)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	encoded, err := l.Encode()
	if err != nil {
		return err
	}
	return a.writeResult(out, encoded, fmt.Sprintf("licence %d", l.ID))
}
