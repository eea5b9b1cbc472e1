package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
)

// maxModuleFile is the size of the largest file of a functional module, bytes.
const maxModuleFile = 2 << 20

func (a *app) fmCommand() *cobra.Command {
	cmd := group("admin", "fm", "Load, list, call and delete functional modules: code that uses keys inside the device",
		a.fmLoadCommand(), a.fmListCommand(), a.fmCallCommand(), a.fmDeleteCommand())
	cmd.Long = `Load, list, call and delete functional modules: WebAssembly that runs inside the device and uses keys there
with the rights of the role that calls it. HSM policy 50 must be on, which a capability update has to permit
first. See docs/functional-modules.md; hsm7 fuf module makes the payload of a module's file.`
	return cmd
}

func (a *app) fmLoadCommand() *cobra.Command {
	var (
		code string
		from passwordSource
	)
	cmd := &cobra.Command{
		Use: "load FILE --authcode FILE", Short: "Load a functional module (HSM SO)", Args: exactArgs(1),
		Long:    "Load a functional module. It takes the place of one with the same name.",
		Example: "  hsm7 fm load orders.fm --authcode orders.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			if code == "" {
				return usagef("--authcode must be given")
			}
			return a.loadModule(cmd.Context(), args[0], code, from)
		},
	}
	cmd.Flags().StringVar(&code, "authcode", "", "file of the authentication code")
	passwordFlag(cmd, &from)
	return cmd
}

func (a *app) loadModule(ctx context.Context, file, codeFile string, from passwordSource) error {
	content, code, err := readWithCode(file, maxModuleFile, codeFile)
	if err != nil {
		return err
	}
	defer clear(code[:])
	return a.withLogin(ctx, command.RoleSO, from, func(ctx context.Context, s *hostdrv.Session) error {
		m, err := s.LoadModule(ctx, content, code[:])
		if err != nil {
			return err
		}
		return a.print(m, func(w io.Writer) { printModule(w, m) })
	})
}

func printModule(w io.Writer, m command.ModuleInfo) {
	from := ""
	if m.BuiltIn {
		from = ", comes with the firmware"
	}
	fmt.Fprintf(w, "%s %s%s, %d bytes, %x: %s\n", m.Name, m.Version, from, m.Size, m.Digest[:min(len(m.Digest), 8)], strings.Join(m.Functions, ", "))
}

func (a *app) fmListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the functional modules and their functions", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				list, err := s.Modules(ctx)
				if err != nil {
					return err
				}
				return a.print(command.ModuleListResponse{Modules: list}, func(w io.Writer) {
					for _, m := range list {
						printModule(w, m)
					}
					if len(list) == 0 {
						fmt.Fprintln(w, "no functional modules")
					}
				})
			})
		},
	}
}

func (a *app) fmDeleteCommand() *cobra.Command {
	var from passwordSource
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a functional module (HSM SO)", Args: exactArgs(1),
		Example: "  hsm7 fm delete orders",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLogin(cmd.Context(), command.RoleSO, from, func(ctx context.Context, s *hostdrv.Session) error {
				if err := s.DeleteModule(ctx, args[0]); err != nil {
					return err
				}
				return a.done("functional module %q deleted", args[0])
			})
		},
	}
	passwordFlag(cmd, &from)
	return cmd
}

func (a *app) fmCallCommand() *cobra.Command {
	var (
		in, out string
		from    passwordSource
	)
	cmd := &cobra.Command{
		Use: "call MODULE FUNCTION", Short: "Call a function of a functional module", Args: exactArgs(2),
		Long:    "Call a function of a functional module, as the Crypto Officer or the role of --as.",
		Example: "  hsm7 fm call orders sign --in order --out order.sig",
		RunE: func(cmd *cobra.Command, args []string) error {
			input, err := a.readInput(in)
			if err != nil {
				return err
			}
			return a.withLogin(cmd.Context(), command.RoleCO, from, func(ctx context.Context, s *hostdrv.Session) error {
				output, err := s.CallModule(ctx, args[0], args[1], input)
				if err != nil {
					return err
				}
				return a.writeResult(out, output, "output")
			})
		},
	}
	cmd.Flags().StringVar(&in, "in", "-", "file with the input; - is the standard input")
	cmd.Flags().StringVar(&out, "out", "-", "file for the output; - is the standard output")
	passwordFlag(cmd, &from)
	return cmd
}

// fufModuleCommand makes the payload of the file of a functional module.
func (a *app) fufModuleCommand() *cobra.Command {
	var name, version, out string
	cmd := &cobra.Command{
		Use: "module FILE", Short: "Make the payload of a functional module's file", Args: exactArgs(1),
		Long: `Make the payload of a file of kind "module" from WebAssembly: its name, which programs call it by, its
version, which the specification of the release must have too, and its code.`,
		Example: "  hsm7 fuf module orders.wasm --name orders --version 1.0.0 --out orders",
		RunE: func(_ *cobra.Command, args []string) error {
			if name == "" || version == "" || out == "" {
				return usagef("--name, --version and --out must be given")
			}
			return a.encodeModule(args[0], name, version, out)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the module")
	cmd.Flags().StringVar(&version, "version", "", "version, such as 1.0.0")
	cmd.Flags().StringVar(&out, "out", "", "file for the payload")
	return cmd
}

func (a *app) encodeModule(file, name, version, out string) error {
	v, err := fuf.ParseVersion(version)
	if err != nil {
		return usagef("--version: %w", err)
	}
	code, err := readBounded(file, maxModuleFile)
	if err != nil {
		return err
	}
	encoded, err := (&boot.Module{Name: name, Version: v, Code: code}).Encode()
	if err != nil {
		return usagef("%s: %w", file, err)
	}
	return a.writeResult(out, encoded, fmt.Sprintf("module %s %v", name, v))
}
