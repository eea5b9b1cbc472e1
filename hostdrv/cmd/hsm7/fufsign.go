package main

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"slices"
	"strings"

	fnote "github.com/transparency-dev/formats/note"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
	"usbhsm7/hostdrv"
)

const (
	fromHSM       = "hsm:"       // begins the label of a key in the device
	fromPublished = "published:" // begins the name of a published signer
)

// keyFlags say which keys sign an update file.
type keyFlags struct {
	names []string
	from  passwordSource
	out   string
}

func (f *keyFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.names, "key", nil, "key that signs: a file of PEM, hsm:LABEL, or published:vendor for both keys of the simulator's signer")
	cmd.Flags().StringVar(&f.out, "out", "", "update file to write; without it, the one that was read")
	passwordFlag(cmd, &f.from)
	_ = cmd.RegisterFlagCompletionFunc("key", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{fromHSM, fromPublished + "vendor", fromPublished + "second"}, cobra.ShellCompDirectiveDefault
	})
}

func (a *app) fufSignCommand() *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use: "sign FILE --key KEY --key KEY", Short: "Sign an update file as its author", Args: exactArgs(1), ValidArgsFunction: fufFiles,
		Long: "Sign an update file. A signer has two keys and a device demands both signatures; they may be added in\nany order and at different times. A key that signed before replaces its signature.",
		Example: "  hsm7 fuf sign update.fuf --key vendor-ed25519.pem --key vendor-ml-dsa-65.pem\n" +
			"  hsm7 fuf sign update.fuf --key hsm:vendor-ed25519 --key hsm:vendor-ml-dsa-65",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.names) == 0 {
				return usagef("--key must be given")
			}
			draft, err := readDraft(args[0])
			if err != nil {
				return err
			}
			if err := a.signDraft(cmd.Context(), draft, f); err != nil {
				return err
			}
			return a.wroteDraft(args[0], f.out, draft)
		},
	}
	f.flags(cmd)
	return cmd
}

func (a *app) fufCosignCommand() *cobra.Command {
	var (
		f                         keyFlags
		trust, proof, witnessFile string
	)
	cmd := &cobra.Command{
		Use: "cosign FILE", Short: "Verify an update file by others and add a signature, a proof, or a witness's signature", Args: exactArgs(1), ValidArgsFunction: fufFiles,
		Long: `Verify the signatures that an update file has, and add what is missing: the signature of a second signer
(--key), the proof that it stands in a log of transparency (--proof, of c2sp.org/tlog-proof), or the signature
of a witness of that log (--witness, the key of a signed note). What the log has to hold is what
hsm7 fuf inspect --log-entry writes.`,
		Example: "  hsm7 fuf cosign update.fuf --trust vendor.trust.json --key customer-ed25519.pem --key customer-ml-dsa-65.pem\n" +
			"  hsm7 fuf cosign update.fuf --proof update.tlog-proof --witness witness.key",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.names) == 0 && proof == "" && witnessFile == "" {
				return usagef("nothing to add: give --key, --proof or --witness")
			}
			trusted, err := readTrust(trust)
			if err != nil {
				return err
			}
			draft, err := readDraft(args[0])
			if err != nil {
				return err
			}
			if err := draft.Check(trusted); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := addProof(draft, proof, witnessFile); err != nil {
				return err
			}
			if err := a.signDraft(cmd.Context(), draft, f); err != nil {
				return err
			}
			return a.wroteDraft(args[0], f.out, draft)
		},
	}
	f.flags(cmd)
	trustFlag(cmd, &trust)
	cmd.Flags().StringVar(&proof, "proof", "", "proof of transparency to put into the file")
	cmd.Flags().StringVar(&witnessFile, "witness", "", "file that holds the private key of a witness, as a signed note's")
	return cmd
}

// addProof puts a proof into a draft and has a witness sign it.
func addProof(draft *fuf.Draft, proof, witnessFile string) error {
	if proof != "" {
		text, err := readBounded(proof, fuf.MaxHead)
		if err != nil {
			return err
		}
		draft.Proof = text
	}
	if witnessFile == "" {
		return nil
	}
	text, err := readSecret(witnessFile)
	if err != nil {
		return err
	}
	defer clear(text)
	witness, err := fnote.NewSignerForCosignatureV1(strings.TrimSpace(string(text)))
	if err != nil {
		return usagef("%s: %w", witnessFile, err)
	}
	return draft.Cosign(witness)
}

// signDraft has every key sign, if the chunks are those that the manifest names. A
// device is opened only for keys that are in it.
func (a *app) signDraft(ctx context.Context, draft *fuf.Draft, f keyFlags) error {
	if err := draft.CheckChunks(); err != nil {
		return err
	}
	inHSM := func(name string) bool { return strings.HasPrefix(name, fromHSM) }
	for _, name := range f.names {
		if inHSM(name) {
			continue
		}
		keys, err := readKeys(name)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := draft.Sign(key); err != nil {
				return err
			}
		}
	}
	if !slices.ContainsFunc(f.names, inHSM) {
		return nil
	}
	return a.withLogin(ctx, command.RoleCO, f.from, func(ctx context.Context, s *hostdrv.Session) error {
		for _, name := range f.names {
			label, ok := strings.CutPrefix(name, fromHSM)
			if !ok {
				continue
			}
			key, err := a.signer(ctx, s, label)
			if err != nil {
				return err
			}
			if err := draft.Sign(key); err != nil {
				return fmt.Errorf("key %s: %w", name, err)
			}
		}
		return nil
	})
}

// readKeys returns the keys that a name stands for, outside of a device.
func readKeys(name string) ([]crypto.Signer, error) {
	switch name {
	case fromPublished + "vendor":
		return testkeys.Vendor(), nil
	case fromPublished + "second":
		return testkeys.Second(), nil
	}
	text, err := readSecret(name)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key, err := fuf.DecodeKey(text)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return []crypto.Signer{key}, nil
}

// wroteDraft writes an update file and tells who has signed it.
func (a *app) wroteDraft(in, out string, draft *fuf.Draft) error {
	if out == "" {
		out = in
	}
	n, err := writeDraft(out, draft)
	if err != nil {
		return err
	}
	signatures := draft.Signatures()
	return a.print(map[string]any{"file": out, "bytes": n, "signatures": signatures}, func(w io.Writer) {
		fmt.Fprintf(w, "%s, %d bytes, has %s:\n", out, n, counted(len(signatures), "signature"))
		for _, s := range signatures {
			fmt.Fprintf(w, "  %-9s  by key %s\n", s.Algorithm, s.Key)
		}
	})
}
