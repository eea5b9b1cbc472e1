package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// gcmIV is the length of the IV that the device makes for AES-GCM and that
// encrypt puts before the ciphertext (SP 800-38D, section 8.2).
const gcmIV = 12

// cipherFlags are those of encrypt and decrypt.
type cipherFlags struct {
	key, in, out, aad string
	from              passwordSource
}

func (c *cipherFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.key, "key", "", "label of the AES key")
	cmd.Flags().StringVar(&c.in, "in", "-", "file to read; - is the standard input")
	cmd.Flags().StringVar(&c.out, "out", "-", "file to write; - is the standard output")
	cmd.Flags().StringVar(&c.aad, "aad", "", "additional authenticated data, as text")
	passwordFlag(cmd, &c.from)
}

func (a *app) encryptCommand() *cobra.Command {
	var c cipherFlags
	cmd := &cobra.Command{
		Use: "encrypt --key LABEL --in FILE --out FILE", Short: "Encrypt a file with AES-GCM", GroupID: "key", Args: noArgs,
		Long:    "Encrypt a file with AES-GCM. The result is the 12-byte IV, which the device chooses,\nthe ciphertext, and the 16-byte tag.",
		Example: "  hsm7 encrypt --key vault --in plain --out secret\n  hsm7 decrypt --key vault --in secret --out plain",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.cipher(cmd.Context(), c, func(ctx context.Context, s *hostdrv.Session, key command.Handle, in []byte) ([]byte, error) {
				response, err := s.Encrypt(ctx, command.Mechanism{Type: command.MechAESGCM, AAD: []byte(c.aad)}, key, in)
				return append(response.IV, response.Data...), err
			})
		},
	}
	c.flags(cmd)
	return cmd
}

func (a *app) decryptCommand() *cobra.Command {
	var c cipherFlags
	cmd := &cobra.Command{
		Use: "decrypt --key LABEL --in FILE --out FILE", Short: "Decrypt what encrypt wrote", GroupID: "key", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.cipher(cmd.Context(), c, func(ctx context.Context, s *hostdrv.Session, key command.Handle, in []byte) ([]byte, error) {
				if len(in) < gcmIV {
					return nil, usagef("%s is shorter than an IV: it was not written by hsm7 encrypt", c.in)
				}
				return s.Decrypt(ctx, command.Mechanism{Type: command.MechAESGCM, IV: in[:gcmIV], AAD: []byte(c.aad)}, key, in[gcmIV:])
			})
		},
	}
	c.flags(cmd)
	return cmd
}

// cipher runs one cipher operation from file to file.
func (a *app) cipher(ctx context.Context, c cipherFlags, do func(context.Context, *hostdrv.Session, command.Handle, []byte) ([]byte, error)) error {
	in, err := a.readInput(c.in)
	if err != nil {
		return err
	}
	return a.withLogin(ctx, command.RoleCO, c.from, func(ctx context.Context, s *hostdrv.Session) error {
		key, err := findKey(ctx, s, c.key, command.ClassSecretKey)
		if err != nil {
			return err
		}
		out, err := do(ctx, s, key, in)
		if err != nil {
			return err
		}
		return a.writeResult(c.out, out, "result")
	})
}

func (a *app) digestCommand() *cobra.Command {
	var in, mechanism string
	cmd := &cobra.Command{
		Use: "digest --in FILE", Short: "Hash a file of any length in the device", GroupID: "key", Args: noArgs,
		Example: "  hsm7 digest --in file --mechanism SHA384",
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := mechanismNamed(mechanism)
			if err != nil {
				return err
			}
			data, err := a.openInput(in)
			if err != nil {
				return err
			}
			defer data.Close()
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				digest, err := s.DigestReader(ctx, m, data)
				if err != nil {
					return err
				}
				text := hex.EncodeToString(digest)
				return a.print(map[string]string{"mechanism": m.String(), "digest": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
			})
		},
	}
	cmd.Flags().StringVar(&in, "in", "-", "file to hash; - is the standard input")
	cmd.Flags().StringVar(&mechanism, "mechanism", "SHA256", "SHA_1, SHA224, SHA256, SHA384, SHA512, SHA3_224, SHA3_256, SHA3_384 or SHA3_512")
	return cmd
}

func (a *app) randomCommand() *cobra.Command {
	var (
		bytes uint
		out   string
	)
	cmd := &cobra.Command{
		Use: "random --bytes N", Short: "Random bytes from the device", GroupID: "key", Args: noArgs,
		Example: "  hsm7 random --bytes 32\n  hsm7 random --bytes 4096 --out seed.bin",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				data, err := s.Random(ctx, bytes)
				if err != nil {
					return err
				}
				if out != "" {
					return a.writeResult(out, data, "random bytes")
				}
				text := hex.EncodeToString(data)
				return a.print(map[string]string{"random": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
			})
		},
	}
	cmd.Flags().UintVar(&bytes, "bytes", 32, "how many, 1 to 65536")
	cmd.Flags().StringVar(&out, "out", "", "file for the raw bytes (default: hexadecimal on the standard output)")
	return cmd
}
