package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// transportMechanism is how a key is wrapped by another one: AES keys wrap with
// padding (RFC 5649), RSA keys by OAEP with SHA-256.
func transportMechanism(keyType uint64) (command.Mechanism, error) {
	switch keyType {
	case command.KeyAES:
		return command.Mechanism{Type: command.MechAESKeyWrapKWP}, nil
	case command.KeyRSA:
		return command.Mechanism{Type: command.MechRSAPKCSOAEP, Hash: command.MechSHA256}, nil
	}
	return command.Mechanism{}, usagef("keys are wrapped with AES and RSA keys")
}

// wrapper returns the key with a label that wraps or unwraps, and how.
func wrapper(ctx context.Context, s *hostdrv.Session, label string, use command.AttributeType) (command.Handle, command.Mechanism, error) {
	handles, err := s.Find(ctx, command.Template{command.AttrLabel: label, use: true})
	if err != nil {
		return 0, command.Mechanism{}, err
	}
	if len(handles) != 1 {
		return 0, command.Mechanism{}, usagef("%d keys with the label %q may %s; make one with hsm7 key generate --wraps", len(handles), label, use)
	}
	attributes, err := s.Attributes(ctx, handles[0], command.AttrKeyType)
	if err != nil {
		return 0, command.Mechanism{}, err
	}
	keyType, _ := attributes.Uint(command.AttrKeyType)
	mechanism, err := transportMechanism(keyType)
	return handles[0], mechanism, err
}

// hidden returns the one private or secret key with a label.
func hidden(ctx context.Context, s *hostdrv.Session, label string) (command.Handle, error) {
	var found []command.Handle
	for _, class := range []uint64{command.ClassPrivateKey, command.ClassSecretKey} {
		handles, err := s.Find(ctx, command.Template{command.AttrLabel: label, command.AttrClass: class})
		if err != nil {
			return 0, err
		}
		found = append(found, handles...)
	}
	if len(found) != 1 {
		return 0, usagef("%d private or secret keys have the label %q; hsm7 key list shows the labels", len(found), label)
	}
	return found[0], nil
}

func (a *app) keyWrapCommand() *cobra.Command {
	var with, out string
	cmd := &cobra.Command{
		Use: "wrap LABEL --with LABEL --out FILE", Short: "Write a key, encrypted with another one", Args: exactArgs(1),
		Long:    "Write a key, encrypted with another one: with an AES key by AES key wrap with padding\n(RFC 5649), with an RSA key by OAEP with SHA-256. A private key is wrapped as PKCS #8.\nThe key must be extractable; partition policies 1 and 5 say which may leave.",
		Example: "  hsm7 key generate --type aes-256 --label kek --wraps\n  hsm7 key wrap data --with kek --out data.wrapped",
	}
	cmd.Flags().StringVar(&with, "with", "", "label of the key that wraps")
	cmd.Flags().StringVar(&out, "out", "-", "file to write; - is the standard output")
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, args []string) error {
		by, mechanism, err := wrapper(ctx, s, with, command.AttrWrap)
		if err != nil {
			return err
		}
		key, err := hidden(ctx, s, args[0])
		if err != nil {
			return err
		}
		r, err := s.WrapKey(ctx, mechanism, by, key)
		if err != nil {
			return err
		}
		return a.writeResult(out, r.Wrapped, "wrapped key")
	})
}

// incoming are the types of key that unwrap and derive make.
var incoming = map[string]command.Template{
	"aes":  {command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyAES},
	"hmac": {command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyGenericSecret},
	"rsa":  {command.AttrClass: command.ClassPrivateKey, command.AttrKeyType: command.KeyRSA},
	"ec":   {command.AttrClass: command.ClassPrivateKey, command.AttrKeyType: command.KeyEC},
}

// newKey says what a key that comes in is to be.
type newKey struct {
	kind, label        string
	wraps, extractable bool
}

func (k *newKey) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.kind, "type", "", "type of the key: "+strings.Join(slices.Sorted(maps.Keys(incoming)), ", "))
	cmd.Flags().StringVar(&k.label, "label", "", "label, by which other commands name the key")
	cmd.Flags().BoolVar(&k.wraps, "wraps", false, "the key wraps and unwraps other keys")
	cmd.Flags().BoolVar(&k.extractable, "extractable", false, "the key may leave, wrapped")
}

func (k *newKey) template() (command.Template, error) {
	base, ok := incoming[k.kind]
	switch {
	case !ok:
		return nil, usagef("--type %q is not one of %s", k.kind, strings.Join(slices.Sorted(maps.Keys(incoming)), ", "))
	case k.label == "":
		return nil, usagef("--label must be given")
	}
	t := maps.Clone(base)
	t[command.AttrToken], t[command.AttrLabel], t[command.AttrExtractable] = true, k.label, k.extractable
	if class, _ := t.Uint(command.AttrClass); k.wraps {
		t[command.AttrUnwrap] = true
		if class == command.ClassSecretKey {
			t[command.AttrWrap] = true
		}
	}
	return t, nil
}

func (a *app) keyUnwrapCommand() *cobra.Command {
	var (
		with, in string
		key      newKey
	)
	cmd := &cobra.Command{
		Use: "unwrap --with LABEL --in FILE --type TYPE --label LABEL", Short: "Take a key in that is encrypted with another one", Args: noArgs,
		Long: "Take a key in that is encrypted with another one, as hsm7 key wrap and OpenSSL do.",
		Example: "  openssl pkeyutl -encrypt -pubin -inkey kek.pub -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \\\n" +
			"    -in key.bin -out key.wrapped\n  hsm7 key unwrap --with kek --in key.wrapped --type aes --label data",
	}
	cmd.Flags().StringVar(&with, "with", "", "label of the key that unwraps")
	cmd.Flags().StringVar(&in, "in", "-", "file that holds the wrapped key; - is the standard input")
	key.flags(cmd)
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		template, err := key.template()
		if err != nil {
			return err
		}
		wrapped, err := a.readInput(in)
		if err != nil {
			return err
		}
		if err := requireFreeLabel(ctx, s, key.label); err != nil {
			return err
		}
		by, mechanism, err := wrapper(ctx, s, with, command.AttrUnwrap)
		if err != nil {
			return err
		}
		handle, err := s.UnwrapKey(ctx, mechanism, by, wrapped, template)
		if err != nil {
			return err
		}
		return a.print(made{Label: key.label, Type: key.kind, Key: handle}, func(w io.Writer) {
			fmt.Fprintf(w, "%s key %q taken in, handle %d\n", key.kind, key.label, handle)
		})
	})
}
