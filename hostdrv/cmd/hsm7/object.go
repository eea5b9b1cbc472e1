package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

func (a *app) objectCommand() *cobra.Command {
	return group("key", "object", "Make, copy, list, change and destroy objects of any class",
		a.objectListCommand(), a.objectShowCommand(), a.objectCreateCommand(), a.objectCopyCommand(),
		a.objectSetCommand(), a.objectSizeCommand(), a.objectDestroyCommand())
}

// objectClasses are the names that --attr class=NAME takes.
var objectClasses = map[string]uint64{
	"data": command.ClassData, "certificate": command.ClassCertificate,
	"public": command.ClassPublicKey, "private": command.ClassPrivateKey, "secret": command.ClassSecretKey,
}

// objectKeyTypes are the names that --attr key-type=NAME takes.
var objectKeyTypes = map[string]uint64{
	"rsa": command.KeyRSA, "ec": command.KeyEC, "generic": command.KeyGenericSecret, "des3": command.KeyDES3, "aes": command.KeyAES,
	"edwards": command.KeyECEdwards, "montgomery": command.KeyECMontgomery, "ml-kem": command.KeyMLKEM, "ml-dsa": command.KeyMLDSA,
}

// attributeFlag adds --attr, which fills a template.
func attributeFlag(cmd *cobra.Command, template command.Template) {
	cmd.Flags().Func("attr", "attribute, as `NAME=VALUE`: true or false, a number, hexadecimal, or a text; may be given several times", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		row, err := command.ParseAttribute(name)
		if !ok || err != nil {
			return usagef("--attr %q: %s", name, "want NAME=VALUE with a name that hsm7 object show prints")
		}
		if template[row.Type], err = parseValue(row, value); err != nil {
			return usagef("--attr %s takes a %s", name, row.Kind)
		}
		return nil
	})
}

func parseValue(row command.AttributeRow, text string) (any, error) {
	switch row.Kind {
	case command.KindBool:
		return strconv.ParseBool(text)
	case command.KindBytes:
		return hex.DecodeString(text)
	case command.KindUint:
		names := map[command.AttributeType]map[string]uint64{command.AttrClass: objectClasses, command.AttrKeyType: objectKeyTypes}[row.Type]
		if n, ok := names[text]; ok {
			return n, nil
		}
		return strconv.ParseUint(text, 0, 64)
	}
	return text, nil
}

// handleArg parses an argument that is a handle.
func handleArg(text string) (command.Handle, error) {
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil {
		return 0, usagef("%q is no handle; hsm7 object list shows them", text)
	}
	return command.Handle(n), nil
}

// onObject makes a command about one object, given by its handle.
func (a *app) onObject(cmd *cobra.Command, do func(context.Context, *hostdrv.Session, command.Handle) error) *cobra.Command {
	cmd.Use += " HANDLE"
	cmd.Args = exactArgs(1)
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, args []string) error {
		handle, err := handleArg(args[0])
		if err != nil {
			return err
		}
		return do(ctx, s, handle)
	})
}

func (a *app) objectListCommand() *cobra.Command {
	template := command.Template{}
	cmd := &cobra.Command{
		Use: "list", Short: "List the objects that have all given attributes", Args: noArgs,
		Example: "  hsm7 object list --attr class=certificate",
	}
	attributeFlag(cmd, template)
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		return a.listObjects(ctx, s, template)
	})
}

func (a *app) objectShowCommand() *cobra.Command {
	return a.onObject(&cobra.Command{Use: "show", Short: "Show every attribute that may be read"},
		func(ctx context.Context, s *hostdrv.Session, handle command.Handle) error {
			object, err := readKey(ctx, s, handle)
			if err != nil {
				return err
			}
			return a.print(object, object.text)
		})
}

func (a *app) objectCreateCommand() *cobra.Command {
	var file string
	template := command.Template{command.AttrToken: true}
	cmd := &cobra.Command{
		Use: "create", Short: "Make an object of a value that you have", Args: noArgs,
		Long: "Make a token object of a value that you have: data, a certificate, a public key, or a key in clear. The file must\n" +
			"hold the value as the attribute has it: a certificate in DER, a secret key as its bytes.",
		Example: "  hsm7 object create --attr class=certificate --attr label=root --value root.der",
	}
	attributeFlag(cmd, template)
	cmd.Flags().StringVar(&file, "value", "", "file that holds the value; - is the standard input")
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		defer template.Wipe()
		if file != "" {
			value, err := a.readInput(file)
			if err != nil {
				return err
			}
			template[command.AttrValue] = value
		}
		handle, err := s.CreateObject(ctx, template)
		if err != nil {
			return err
		}
		return a.printHandle(handle, "made")
	})
}

// printHandle tells the handle of a new object.
func (a *app) printHandle(handle command.Handle, verb string) error {
	return a.print(command.ObjectResponse{Object: handle}, func(w io.Writer) { fmt.Fprintf(w, "object %s, handle %d\n", verb, handle) })
}

func (a *app) objectCopyCommand() *cobra.Command {
	template := command.Template{}
	cmd := &cobra.Command{Use: "copy", Short: "Copy an object, with some attributes changed", Example: "  hsm7 object copy 7 --attr label=spare --attr extractable=false"}
	attributeFlag(cmd, template)
	return a.onObject(cmd, func(ctx context.Context, s *hostdrv.Session, handle command.Handle) error {
		copied, err := s.CopyObject(ctx, handle, template)
		if err != nil {
			return err
		}
		return a.printHandle(copied, "copied")
	})
}

func (a *app) objectSetCommand() *cobra.Command {
	template := command.Template{}
	cmd := &cobra.Command{Use: "set", Short: "Change attributes of an object, all or none", Example: "  hsm7 object set 7 --attr label=retired --attr sign=false"}
	attributeFlag(cmd, template)
	return a.onObject(cmd, func(ctx context.Context, s *hostdrv.Session, handle command.Handle) error {
		if err := s.SetAttributes(ctx, handle, template); err != nil {
			return err
		}
		return a.done("%d attributes changed", len(template))
	})
}

func (a *app) objectSizeCommand() *cobra.Command {
	return a.onObject(&cobra.Command{Use: "size", Short: "Tell how many bytes an object takes"},
		func(ctx context.Context, s *hostdrv.Session, handle command.Handle) error {
			size, err := s.ObjectSize(ctx, handle)
			if err != nil {
				return err
			}
			return a.print(command.ObjectSizeResponse{Bytes: size}, func(w io.Writer) { fmt.Fprintf(w, "%d bytes\n", size) })
		})
}

func (a *app) objectDestroyCommand() *cobra.Command {
	return a.onObject(&cobra.Command{Use: "destroy", Short: "Destroy an object"},
		func(ctx context.Context, s *hostdrv.Session, handle command.Handle) error {
			if err := s.Destroy(ctx, handle); err != nil {
				return err
			}
			return a.done("object %d destroyed", handle)
		})
}
