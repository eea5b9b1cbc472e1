package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/mldsa"
	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
	"usbhsm7/hostdrv"
)

// fufCommand holds what there is to do with update files.
func (a *app) fufCommand() *cobra.Command {
	cmd := group("admin", "fuf", "Make, sign, inspect, verify, plan, apply and rehearse update files",
		a.fufKeygenCommand(), a.fufImageCommand(), a.fufLicenceCommand(), a.fufModuleCommand(), a.fufBuildCommand(), a.fufSignCommand(), a.fufCosignCommand(),
		a.fufInspectCommand(), a.fufVerifyCommand(), a.fufPlanCommand(), a.updateCommand("apply FILE --authcode FILE"),
		a.fufRehearseCommand(), a.fufReplayCommand())
	cmd.Long = `Make, sign, inspect and verify update files: firmware (FUF), capabilities (CUF) and functional
modules (FM). Each is signed with an Ed25519 and an ML-DSA-65 key, and encrypted: only a device of the
right models opens it, and only with the authentication code that comes with it.

Keys are files of PEM, or keys in a device: hsm:LABEL. The keys of the simulator are published: anybody
can make an update for it with --key published:vendor.`
	cmd.Example = "  hsm7 fuf image image.json --out image\n" +
		"  hsm7 fuf build --spec release.json --payload image --out update.fuf\n" +
		"  hsm7 fuf sign update.fuf --key published:vendor\n" +
		"  hsm7 fuf verify update.fuf --authcode update.txt"
	return cmd
}

// fufFiles completes the names of update files.
func fufFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"fuf", "cuf", "fm"}, cobra.ShellCompDirectiveFilterFileExt
}

func (a *app) fufKeygenCommand() *cobra.Command {
	var (
		name, dir     string
		models, inHSM bool
		from          passwordSource
	)
	cmd := &cobra.Command{
		Use: "keygen --name NAME", Short: "Make the keys of a signer, or of a group of models", Args: noArgs,
		Long: `Make the two keys of a signer and the file that tells others to trust them: NAME-ed25519.pem,
NAME-ml-dsa-65.pem and NAME.trust.json. With --hsm the keys are made in the device, with the labels
NAME-ed25519 and NAME-ml-dsa-65, and never leave it. With --models make the key for which the updates of
a group of models are encrypted: NAME-models.pem for the devices, NAME-models.pub for the author.`,
		Example: "  hsm7 fuf keygen --name vendor\n  hsm7 fuf keygen --name vendor --hsm\n  hsm7 fuf keygen --name a7 --models",
		RunE: func(cmd *cobra.Command, _ []string) error {
			base := filepath.Join(dir, name)
			switch {
			case name == "" || strings.ContainsRune(name, filepath.Separator):
				return usagef("--name must be given; it begins the names of the files")
			case models && inHSM:
				return usagef("the key of a group of models cannot be in a device: leave out --hsm")
			case models:
				return a.makeModels(base)
			case inHSM:
				return a.makeSignerInHSM(cmd.Context(), name, base, from)
			}
			return a.makeSigner(name, base)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the signer or of the group")
	cmd.Flags().StringVar(&dir, "dir", ".", "folder for the files")
	cmd.Flags().BoolVar(&models, "models", false, "make the key of a group of models")
	cmd.Flags().BoolVar(&inHSM, "hsm", false, "make the keys in the device")
	passwordFlag(cmd, &from)
	return cmd
}

// makeModels makes the key of a group of models.
func (a *app) makeModels(base string) error {
	key, err := fuf.ModelKEM().GenerateKey()
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	private, err := fuf.EncodeModels(key)
	if err != nil {
		return err
	}
	defer clear(private)
	return a.wroteKeys(
		newFile{base + "-models.pem", private, 0o600},
		newFile{base + "-models.pub", fuf.EncodeModelsPublic(key.PublicKey()), 0o644},
	)
}

// makeSigner makes both keys of a signer in files.
func (a *app) makeSigner(name, base string) error {
	_, first, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	second, err := mldsa.GenerateKey(mldsa.MLDSA65())
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	one, err := fuf.EncodeKey(first)
	if err != nil {
		return err
	}
	defer clear(one)
	two, err := fuf.EncodeKey(second)
	if err != nil {
		return err
	}
	defer clear(two)
	trust, err := trustFile(name, first.Public(), second.Public())
	if err != nil {
		return err
	}
	return a.wroteKeys(
		newFile{base + "-ed25519.pem", one, 0o600}, newFile{base + "-ml-dsa-65.pem", two, 0o600},
		newFile{base + ".trust.json", trust, 0o644},
	)
}

// makeSignerInHSM makes both keys of a signer in the device.
func (a *app) makeSignerInHSM(ctx context.Context, name, base string, from passwordSource) error {
	return a.withLogin(ctx, command.RoleCO, from, func(ctx context.Context, s *hostdrv.Session) error {
		var public []crypto.PublicKey
		for _, kind := range keyKinds {
			if kind.name != "ed25519" && kind.name != "ml-dsa-65" {
				continue
			}
			label := name + "-" + kind.name
			if err := requireFreeLabel(ctx, s, label); err != nil {
				return err
			}
			pair, err := generate(ctx, s, kind, label, nil)
			if err != nil {
				return err
			}
			key, err := s.PublicKey(ctx, pair.Key)
			if err != nil {
				return err
			}
			public = append(public, key)
		}
		trust, err := trustFile(name, public...)
		if err != nil {
			return err
		}
		return a.wroteKeys(newFile{base + ".trust.json", trust, 0o644})
	})
}

func trustFile(name string, keys ...crypto.PublicKey) ([]byte, error) {
	signer, err := fuf.NewSigner(name, keys...)
	if err != nil {
		return nil, err
	}
	return fuf.EncodeTrust(fuf.Trust{Signers: []fuf.Signer{signer}})
}

// newFile is a file that must not be there yet.
type newFile struct {
	name    string
	content []byte
	mode    os.FileMode
}

func (f newFile) write() error {
	file, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
	if errors.Is(err, os.ErrExist) {
		return usagef("%s exists already", f.name)
	}
	if err != nil {
		return usagef("%w", err)
	}
	_, err = file.Write(f.content)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return nil
}

// wroteKeys writes files of keys and says which.
func (a *app) wroteKeys(files ...newFile) error {
	names := make([]string, len(files))
	for i, f := range files {
		if err := f.write(); err != nil {
			return err
		}
		names[i] = f.name
	}
	return a.print(map[string][]string{"files": names}, func(w io.Writer) {
		fmt.Fprintln(w, "written:", strings.Join(names, ", "))
	})
}

// trustFlag adds --trust to cmd.
func trustFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "trust", "", "file that says whose signatures count; without it, those with the published keys of the simulator")
	_ = cmd.RegisterFlagCompletionFunc("trust", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
	})
}

// readTrust reads a file of trust.
func readTrust(name string) (fuf.Trust, error) {
	if name == "" {
		return testkeys.Trust(), nil
	}
	text, err := readBounded(name, maxText)
	if err != nil {
		return fuf.Trust{}, err
	}
	trust, err := fuf.ParseTrust(text)
	if err != nil {
		return trust, usagef("%s: %w", name, err)
	}
	return trust, nil
}
