package main

import (
	"context"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"

	"filippo.io/mldsa/x509"
	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

func keyKindNames() []string {
	names := make([]string, len(keyKinds))
	for i, k := range keyKinds {
		names[i] = k.name
	}
	return names
}

func (a *app) keyCommand() *cobra.Command {
	return group("key", "key", "Make, list, show, wrap, guard and destroy keys", append([]*cobra.Command{
		a.keyGenerateCommand(), a.keyListCommand(), a.keyShowCommand(), a.keyPublicCommand(), a.keyDestroyCommand(),
		a.keyWrapCommand(), a.keyUnwrapCommand(),
	}, a.keyAuthCommands()...)...)
}

// made is what generate prints.
type made struct {
	Label  string         `json:"label"`
	Type   string         `json:"type"`
	Key    command.Handle `json:"key"` // the private or secret key
	Public command.Handle `json:"public,omitempty"`
}

func (a *app) keyGenerateCommand() *cobra.Command {
	var (
		kindName, label, id string
		wraps, extractable  bool
	)
	cmd := &cobra.Command{
		Use:     "generate --type TYPE --label LABEL",
		Aliases: []string{"gen"},
		Short:   "Make a key that stays in the device",
		Long:    "Make a key that stays in the device. Types: " + strings.Join(keyKindNames(), ", ") + ".",
		Example: "  hsm7 key generate --type ec-p256 --label root",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case !slices.Contains(keyKindNames(), kindName):
				return usagef("--type %q is not one of %s", kindName, strings.Join(keyKindNames(), ", "))
			case label == "":
				return usagef("--label must be given")
			}
			return noArgs(cmd, args)
		},
	}
	cmd.Flags().StringVar(&kindName, "type", "", "type and size of the key")
	cmd.Flags().StringVar(&label, "label", "", "label, by which other commands name the key")
	cmd.Flags().StringVar(&id, "id", "", "CKA_ID, hexadecimal")
	cmd.Flags().BoolVar(&wraps, "wraps", false, "the key wraps and unwraps other keys (aes, rsa)")
	cmd.Flags().BoolVar(&extractable, "extractable", false, "the key may leave, wrapped")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(keyKindNames(), cobra.ShellCompDirectiveNoFileComp))
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		idBytes, err := hex.DecodeString(id)
		if err != nil {
			return usagef("--id: %w", err)
		}
		if err := requireFreeLabel(ctx, s, label); err != nil {
			return err
		}
		kind := keyKinds[slices.Index(keyKindNames(), kindName)]
		result, err := generate(ctx, s, kind.with(wraps, extractable), label, idBytes)
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) {
			fmt.Fprintf(w, "%s key %q made, handle %d\n", result.Type, result.Label, result.Key)
		})
	})
}

// requireFreeLabel refuses a label that would make a key impossible to name.
func requireFreeLabel(ctx context.Context, s *hostdrv.Session, label string) error {
	found, err := s.Find(ctx, command.Template{command.AttrLabel: label})
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return usagef("there is a key with the label %q already", label)
	}
	return nil
}

// generate makes a token key of the given kind with its uses allowed.
func generate(ctx context.Context, s *hostdrv.Session, kind keyKind, label string, id []byte) (made, error) {
	result := made{Label: label, Type: kind.name}
	base := command.Template{command.AttrToken: true, command.AttrLabel: label}
	if len(id) > 0 {
		base[command.AttrID] = id
	}
	first := maps.Clone(base)
	maps.Copy(first, kind.attributes)
	if !kind.pair {
		handle, err := s.GenerateKey(ctx, command.Mechanism{Type: kind.mechanism}, first)
		result.Key = handle
		return result, err
	}
	maps.Copy(base, kind.hidden)
	pair, err := s.GenerateKeyPair(ctx, command.Mechanism{Type: kind.mechanism}, first, base)
	result.Key, result.Public = pair.Private, pair.Public
	return result, err
}

// keyInfo is one key as list and show print it.
type keyInfo struct {
	Handle     command.Handle `json:"handle"`
	Class      string         `json:"class"`
	Type       string         `json:"type"`
	Label      string         `json:"label"`
	Attributes map[string]any `json:"attributes"`
}

func (a *app) keyListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the keys on the partition", Args: noArgs}
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		return a.listKeys(ctx, s)
	})
}

// listKeys prints every object, one a line.
func (a *app) listKeys(ctx context.Context, s *hostdrv.Session) error {
	return a.listObjects(ctx, s, nil)
}

// listObjects prints the objects that match a template, one a line.
func (a *app) listObjects(ctx context.Context, s *hostdrv.Session, template command.Template) error {
	handles, err := s.Find(ctx, template)
	if err != nil {
		return err
	}
	for _, handle := range handles {
		key, err := readKey(ctx, s, handle)
		if err != nil {
			return err
		}
		if err := a.print(key, func(w io.Writer) {
			fmt.Fprintf(w, "%6d  %-11s %-9s %s\n", key.Handle, key.Class, key.Type, key.Label)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) keyShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show LABEL", Short: "Show every attribute that may be read", Args: exactArgs(1)}
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, args []string) error {
		handles, err := findLabel(ctx, s, args[0])
		if err != nil {
			return err
		}
		for _, handle := range handles {
			key, err := readKey(ctx, s, handle)
			if err != nil {
				return err
			}
			if err := a.print(key, key.text); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k keyInfo) text(w io.Writer) {
	fmt.Fprintf(w, "%s %q, handle %d\n", strings.TrimSpace(k.Type+" "+k.Class), k.Label, k.Handle)
	names := slices.Collect(maps.Keys(k.Attributes))
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(w, "  %-18s %v\n", name, k.Attributes[name])
	}
}

// readKey reads the attributes of an object.
func readKey(ctx context.Context, s *hostdrv.Session, handle command.Handle) (keyInfo, error) {
	attributes, err := s.Attributes(ctx, handle)
	if err != nil {
		return keyInfo{}, err
	}
	key := keyInfo{
		Handle: handle, Class: className(attributes), Type: typeName(attributes),
		Label: attributes.Text(command.AttrLabel), Attributes: map[string]any{},
	}
	for typ, value := range attributes {
		if b, ok := value.([]byte); ok {
			value = hex.EncodeToString(b)
		}
		key.Attributes[typ.String()] = value
	}
	return key, nil
}

func className(t command.Template) string {
	class, _ := t.Uint(command.AttrClass)
	switch class {
	case command.ClassData:
		return "data"
	case command.ClassCertificate:
		return "certificate"
	case command.ClassPublicKey:
		return "public key"
	case command.ClassPrivateKey:
		return "private key"
	case command.ClassSecretKey:
		return "secret key"
	}
	return fmt.Sprintf("class %d", class)
}

// findLabel returns the objects with a label; there is at least one.
func findLabel(ctx context.Context, s *hostdrv.Session, label string) ([]command.Handle, error) {
	handles, err := s.Find(ctx, command.Template{command.AttrLabel: label})
	if err != nil {
		return nil, err
	}
	if len(handles) == 0 {
		return nil, usagef("no key has the label %q; hsm7 key list shows the labels", label)
	}
	return handles, nil
}

// findKey returns the one object of a class with a label.
func findKey(ctx context.Context, s *hostdrv.Session, label string, class uint64) (command.Handle, error) {
	handles, err := s.Find(ctx, command.Template{command.AttrLabel: label, command.AttrClass: class})
	if err != nil {
		return 0, err
	}
	switch len(handles) {
	case 0:
		return 0, usagef("no %s has the label %q; hsm7 key list shows the labels", className(command.Template{command.AttrClass: class}), label)
	case 1:
		return handles[0], nil
	}
	return 0, usagef("%d keys have the label %q", len(handles), label)
}

func (a *app) keyPublicCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "public LABEL", Short: "Write the public key of a pair as PEM", Args: exactArgs(1),
		Example: "  hsm7 key public root --out root.pub",
	}
	cmd.Flags().StringVar(&out, "out", "-", "file to write; - is the standard output")
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, args []string) error {
		private, err := findKey(ctx, s, args[0], command.ClassPrivateKey)
		if err != nil {
			return err
		}
		public, err := s.PublicKey(ctx, private)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return fmt.Errorf("encode the public key: %w", err)
		}
		return a.writeResult(out, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "public key")
	})
}

// signer returns the crypto.Signer for the private key with a label.
func (a *app) signer(ctx context.Context, s *hostdrv.Session, label string) (*hostdrv.Signer, error) {
	handle, err := findKey(ctx, s, label, command.ClassPrivateKey)
	if err != nil {
		return nil, err
	}
	return s.Signer(ctx, handle)
}

func (a *app) keyDestroyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "destroy LABEL", Short: "Destroy every key with a label, both halves of a pair", Args: exactArgs(1)}
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, args []string) error {
		handles, err := findLabel(ctx, s, args[0])
		if err != nil {
			return err
		}
		for _, handle := range handles {
			if err := s.Destroy(ctx, handle); err != nil {
				return err
			}
		}
		return a.done("%d objects destroyed", len(handles))
	})
}
