package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// hashes are the hash functions of --hash.
var hashes = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

// scheme says how a file is signed.
type scheme struct {
	key  string
	in   string
	hash string
	pss  bool
	from passwordSource
}

func (c *scheme) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.key, "key", "", "label of the key")
	cmd.Flags().StringVar(&c.in, "in", "-", "file that is signed; - is the standard input")
	cmd.Flags().StringVar(&c.hash, "hash", "sha256", "sha256, sha384 or sha512")
	cmd.Flags().BoolVar(&c.pss, "pss", false, "RSA: PSS with a salt as long as the hash, instead of PKCS #1 v1.5")
	_ = cmd.RegisterFlagCompletionFunc("hash", cobra.FixedCompletions([]string{"sha256", "sha384", "sha512"}, cobra.ShellCompDirectiveNoFileComp))
	passwordFlag(cmd, &c.from)
}

// content is what is signed: its hash and, for keys that sign the message
// itself, as much as fits one command.
type content struct {
	digest  []byte
	message []byte
	long    bool // there was more
}

// readContent hashes the input on the host, however long it is.
func (a *app) readContent(c scheme) (*content, error) {
	hash, ok := hashes[c.hash]
	if !ok {
		return nil, usagef("--hash %q is not sha256, sha384 or sha512", c.hash)
	}
	f, err := a.openInput(c.in)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	state := hash.New()
	var start bytes.Buffer
	_, err = io.Copy(io.MultiWriter(state, &start), io.LimitReader(f, maxInput))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.in, err)
	}
	more, err := io.Copy(state, f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.in, err)
	}
	return &content{state.Sum(nil), start.Bytes(), more > 0}, nil
}

// data returns what a key signs, and what crypto.Signer calls the way it does so.
func (c scheme) data(signer *hostdrv.Signer, in *content) ([]byte, crypto.SignerOpts, error) {
	hash := hashes[c.hash]
	switch {
	case signer.SignsMessages() && in.long:
		return nil, nil, usagef("the input has more than the %d bytes that such a key signs", maxInput)
	case signer.SignsMessages():
		return in.message, crypto.Hash(0), nil
	case c.pss:
		return in.digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}, nil
	}
	return in.digest, hash, nil
}

// sign has a key sign, whichever way it signs.
func (c scheme) sign(ctx context.Context, signer *hostdrv.Signer, in *content) ([]byte, error) {
	data, options, err := c.data(signer, in)
	if err != nil {
		return nil, err
	}
	return signer.SignContext(ctx, data, options)
}

func (a *app) signCommand() *cobra.Command {
	var (
		c   scheme
		out string
	)
	cmd := &cobra.Command{
		Use: "sign --key LABEL --in FILE --out FILE", Short: "Sign a file", GroupID: "key", Args: noArgs,
		Long: "Sign a file as `openssl dgst -sign` does: RSA PKCS #1 v1.5 or PSS, or ECDSA in ASN.1.\nThe file is hashed on the host; only the hash goes to the device. Ed25519 and ML-DSA keys sign the\nfile itself, of up to 16 MiB.",
		Example: "  hsm7 sign --key root --in file --out file.sig\n" +
			"  hsm7 key public root --out root.pub && openssl dgst -sha256 -verify root.pub -signature file.sig file",
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := a.readContent(c)
			if err != nil {
				return err
			}
			return a.withLogin(cmd.Context(), command.RoleCO, c.from, func(ctx context.Context, s *hostdrv.Session) error {
				signer, err := a.signer(ctx, s, c.key)
				if err != nil {
					return err
				}
				signature, err := c.sign(ctx, signer, in)
				if err != nil {
					return err
				}
				return a.writeResult(out, signature, "signature")
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "-", "file for the signature; - is the standard output")
	return cmd
}

func (a *app) verifyCommand() *cobra.Command {
	var (
		c             scheme
		signatureFile string
	)
	cmd := &cobra.Command{
		Use: "verify --key LABEL --in FILE --signature FILE", Short: "Verify the signature of a file with the device", GroupID: "key", Args: noArgs,
		Example: "  hsm7 verify --key root --in file --signature file.sig",
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := a.readContent(c)
			if err != nil {
				return err
			}
			signature, err := a.readInput(signatureFile)
			if err != nil {
				return err
			}
			return a.withLogin(cmd.Context(), command.RoleCO, c.from, func(ctx context.Context, s *hostdrv.Session) error {
				if err := a.verify(ctx, s, c, in, signature); err != nil {
					return err
				}
				return a.done("signature is genuine")
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&signatureFile, "signature", "", "file that holds the signature")
	_ = cmd.MarkFlagRequired("signature")
	return cmd
}

// verify has the device check a signature as OpenSSL writes it.
func (a *app) verify(ctx context.Context, s *hostdrv.Session, c scheme, in *content, signature []byte) error {
	signer, err := a.signer(ctx, s, c.key)
	if err != nil {
		return err
	}
	public, err := findKey(ctx, s, c.key, command.ClassPublicKey)
	if err != nil {
		return err
	}
	data, options, err := c.data(signer, in)
	if err != nil {
		return err
	}
	return signer.Verify(ctx, public, data, signature, options)
}
