package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

// exampleImage is where an author begins: what the firmware in the device does, and
// a policy more.
func exampleImage() *boot.Image {
	m := boot.Factory()
	m.Version = fuf.V(7, 9, 3)
	m.Policies = []boot.Policy{{Table: boot.HSMPolicies, ID: 58, Name: "Allow something new", Capability: 1, Most: 1}}
	return m
}

func (a *app) fufImageCommand() *cobra.Command {
	var (
		out             string
		example, decode bool
	)
	cmd := &cobra.Command{
		Use: "image [FILE]", Short: "Make the payload of a firmware update", Args: cobra.MaximumNArgs(1),
		Long: `Make a firmware image, the payload of a firmware update, from a file of JSON: its version, and what it
changes of the policies, mechanisms, models and modules that are built in. --example prints one to begin
with; --decode shows what is in an image.`,
		Example: "  hsm7 fuf image --example >image.json\n  hsm7 fuf image image.json --out image\n  hsm7 fuf image image --decode",
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case example:
				return a.printIndented(exampleImage())
			case len(args) == 0:
				return usagef("a FILE must be given, or --example")
			case decode:
				return a.decodeImage(args[0])
			case out == "":
				return usagef("--out must be given")
			}
			return a.encodeImage(args[0], out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the image")
	cmd.Flags().BoolVar(&example, "example", false, "print an image to begin with")
	cmd.Flags().BoolVar(&decode, "decode", false, "show what is in an image")
	return cmd
}

func (a *app) decodeImage(name string) error {
	encoded, err := readBounded(name, fuf.MaxPayload)
	if err != nil {
		return err
	}
	m, err := boot.DecodeImage(encoded)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	return a.printIndented(m)
}

func (a *app) encodeImage(name, out string) error {
	text, err := readBounded(name, 2*fuf.MaxPayload)
	if err != nil {
		return err
	}
	m, err := boot.ParseImage(text)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	encoded, err := m.Encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, encoded, 0o644); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	return a.print(map[string]any{"file": out, "bytes": len(encoded), "version": m.Version}, func(w io.Writer) {
		fmt.Fprintf(w, "%s, %d bytes, firmware %v\n", out, len(encoded), m.Version)
	})
}
