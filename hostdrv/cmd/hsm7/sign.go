package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"

	"filippo.io/mldsa"
	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// hashes are the hash functions of --hash.
var hashes = map[string]struct {
	hash      crypto.Hash
	mechanism command.MechanismType
	oid       asn1.ObjectIdentifier // NIST, RFC 5754 section 2
}{
	"sha256": {crypto.SHA256, command.MechSHA256, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}},
	"sha384": {crypto.SHA384, command.MechSHA384, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}},
	"sha512": {crypto.SHA512, command.MechSHA512, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}},
}

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
	h, ok := hashes[c.hash]
	if !ok {
		return nil, usagef("--hash %q is not sha256, sha384 or sha512", c.hash)
	}
	f, err := a.openInput(c.in)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	state := h.hash.New()
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

// signsMessages returns the mechanism of a key that signs messages and not
// their hashes.
func signsMessages(public crypto.PublicKey) (command.MechanismType, bool) {
	switch public.(type) {
	case ed25519.PublicKey:
		return command.MechEdDSA, true
	case *mldsa.PublicKey:
		return command.MechMLDSA, true
	}
	return 0, false
}

// sign has a key sign, whichever way it signs.
func (c scheme) sign(ctx context.Context, signer *hostdrv.Signer, in *content) ([]byte, error) {
	if _, whole := signsMessages(signer.Public()); !whole {
		return signer.SignContext(ctx, in.digest, c.options())
	}
	message, err := in.whole()
	if err != nil {
		return nil, err
	}
	return signer.SignContext(ctx, message, crypto.Hash(0))
}

// whole returns the message for a key that signs it unhashed.
func (in *content) whole() ([]byte, error) {
	if in.long {
		return nil, usagef("the input has more than the %d bytes that such a key signs", maxInput)
	}
	return in.message, nil
}

// options returns what crypto.Signer calls the scheme.
func (c scheme) options() crypto.SignerOpts {
	hash := hashes[c.hash].hash
	if c.pss {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return hash
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

// verify has the device check signature over digest.
func (a *app) verify(ctx context.Context, s *hostdrv.Session, c scheme, in *content, signature []byte) error {
	private, err := a.signer(ctx, s, c.key)
	if err != nil {
		return err
	}
	public, err := findKey(ctx, s, c.key, command.ClassPublicKey)
	if err != nil {
		return err
	}
	mechanism, data, signature, err := c.verification(private.Public(), in, signature)
	if err != nil {
		return err
	}
	return s.Verify(ctx, mechanism, public, data, signature)
}

// verification turns a digest and a signature as OpenSSL writes it into what
// the device takes.
func (c scheme) verification(public crypto.PublicKey, in *content, signature []byte) (command.Mechanism, []byte, []byte, error) {
	if m, whole := signsMessages(public); whole {
		message, err := in.whole()
		return command.Mechanism{Type: m}, message, signature, err
	}
	hash, digest := hashes[c.hash], in.digest
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		raw, err := rawECDSA(key, signature)
		return command.Mechanism{Type: command.MechECDSA}, digest, raw, err
	case *rsa.PublicKey:
		if c.pss {
			return command.Mechanism{Type: command.MechRSAPKCSPSS, Hash: hash.mechanism}, digest, signature, nil
		}
		info, err := asn1.Marshal(digestInfo{pkix.AlgorithmIdentifier{Algorithm: hash.oid, Parameters: asn1.NullRawValue}, digest})
		return command.Mechanism{Type: command.MechRSAPKCS}, info, signature, err
	}
	return command.Mechanism{}, nil, nil, usagef("key %q cannot verify", c.key)
}

// digestInfo is DigestInfo of RFC 8017, section 9.2.
type digestInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

// rawECDSA turns an ASN.1 signature (RFC 3279, section 2.2.3) into r || s.
func rawECDSA(key *ecdsa.PublicKey, signature []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	size := (key.Curve.Params().N.BitLen() + 7) / 8
	rest, err := asn1.Unmarshal(signature, &sig)
	if err != nil || len(rest) > 0 || sig.R.Sign() < 0 || sig.S.Sign() < 0 || sig.R.BitLen() > 8*size || sig.S.BitLen() > 8*size {
		return nil, command.StatusSignatureInvalid.With("the signature is not an ASN.1 ECDSA signature for this key", "")
	}
	raw := make([]byte, 2*size)
	sig.R.FillBytes(raw[:size])
	sig.S.FillBytes(raw[size:])
	return raw, nil
}
