package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

func (a *app) certCommand() *cobra.Command {
	return group("key", "cert", "Issue certificates with a key in the device", a.certRootCommand(), a.certIssueCommand())
}

// certFlags are those of both cert commands.
type certFlags struct {
	key, out string
	days     int
	begins   string // date; empty: now
	number   uint64 // 0: random
	from     passwordSource
}

func (c *certFlags) flags(cmd *cobra.Command, days int) {
	cmd.Flags().StringVar(&c.key, "key", "", "label of the issuer's key")
	cmd.Flags().StringVar(&c.out, "out", "-", "file for the certificate, PEM; - is the standard output")
	cmd.Flags().IntVar(&c.days, "days", days, "how long it is valid")
	cmd.Flags().StringVar(&c.begins, "not-before", "", "date from which it is valid, such as 2030-01-31, 00:00 UTC (default now)")
	cmd.Flags().Uint64Var(&c.number, "number", 0, "its serial number (default random)")
	passwordFlag(cmd, &c.from)
}

// validity sets the time for which the certificate is valid. It begins a little
// in the past, for machines whose clocks differ, unless it is to begin at a date.
func (c *certFlags) validity(template *x509.Certificate) error {
	now := time.Now().UTC()
	template.NotBefore = now.Add(-5 * time.Minute)
	if c.begins != "" {
		date, err := time.Parse(time.DateOnly, c.begins)
		if err != nil {
			return usagef("--not-before %q is not like 2030-01-31", c.begins)
		}
		now, template.NotBefore = date, date
	}
	template.NotAfter = now.AddDate(0, 0, c.days)
	return nil
}

// serialNumber sets the number of the certificate.
func (c *certFlags) serialNumber(template *x509.Certificate) (err error) {
	template.SerialNumber = new(big.Int).SetUint64(c.number)
	if c.number != 0 {
		return nil
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return fmt.Errorf("choose a serial number: %w", err)
	}
	return nil
}

func (a *app) certRootCommand() *cobra.Command {
	var (
		c       certFlags
		subject pkix.Name
		org     string
	)
	cmd := &cobra.Command{
		Use: "root --key LABEL --cn NAME --out FILE", Short: "Self-sign the certificate of a root CA", Args: noArgs,
		Example: "  hsm7 cert root --key root --cn 'Example Root' --out root.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if subject.CommonName == "" {
				return usagef("--cn is missing")
			}
			if org != "" {
				subject.Organization = []string{org}
			}
			return a.withSigner(cmd.Context(), c, func(signer *hostdrv.Signer) (*x509.Certificate, *x509.Certificate, crypto.PublicKey, error) {
				template := &x509.Certificate{
					Subject: subject, IsCA: true, BasicConstraintsValid: true,
					KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
				}
				return template, template, signer.Public(), nil
			})
		},
	}
	c.flags(cmd, 3650)
	cmd.Flags().StringVar(&subject.CommonName, "cn", "", "common name of the CA")
	cmd.Flags().StringVar(&org, "org", "", "organisation")
	return cmd
}

func (a *app) certIssueCommand() *cobra.Command {
	var (
		c               certFlags
		caFile, csrFile string
	)
	cmd := &cobra.Command{
		Use: "issue --key LABEL --ca FILE --csr FILE --out FILE", Short: "Issue a server certificate for a request", Args: noArgs,
		Example: "  openssl req -new -newkey rsa:2048 -nodes -keyout server.key -subj /CN=server -out server.csr\n" +
			"  hsm7 cert issue --key root --ca root.pem --csr server.csr --out server.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ca, err := readCertificate(caFile)
			if err != nil {
				return err
			}
			request, err := readRequest(csrFile)
			if err != nil {
				return err
			}
			return a.withSigner(cmd.Context(), c, func(*hostdrv.Signer) (*x509.Certificate, *x509.Certificate, crypto.PublicKey, error) {
				template := &x509.Certificate{
					Subject: request.Subject, DNSNames: request.DNSNames, IPAddresses: request.IPAddresses,
					KeyUsage:    x509.KeyUsageDigitalSignature,
					ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
				}
				return template, ca, request.PublicKey, nil
			})
		},
	}
	c.flags(cmd, 90)
	cmd.Flags().StringVar(&caFile, "ca", "", "certificate of the issuer, PEM")
	cmd.Flags().StringVar(&csrFile, "csr", "", "certificate request, PEM")
	return cmd
}

// withSigner has the device sign the certificate that plan describes: template,
// issuer and subject's public key.
func (a *app) withSigner(ctx context.Context, c certFlags, plan func(*hostdrv.Signer) (template, issuer *x509.Certificate, public crypto.PublicKey, err error)) error {
	return a.withLogin(ctx, command.RoleCO, c.from, func(ctx context.Context, s *hostdrv.Session) error {
		signer, err := a.signer(ctx, s, c.key)
		if err != nil {
			return err
		}
		template, issuer, public, err := plan(signer)
		if err != nil {
			return err
		}
		if err := errors.Join(c.validity(template), c.serialNumber(template)); err != nil {
			return err
		}
		if template.SubjectKeyId, err = keyID(public); err != nil {
			return err
		}
		der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, signer)
		if err != nil {
			return fmt.Errorf("sign the certificate: %w", err)
		}
		return a.writeResult(c.out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), "certificate")
	})
}

// keyID is method 1 of RFC 7093, section 2.
func keyID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return sum[:20], nil
}

func readCertificate(name string) (*x509.Certificate, error) {
	der, err := readPEM(name, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return certificate, nil
}

// readRequest reads a certificate request and checks that its maker has the key.
func readRequest(name string) (*x509.CertificateRequest, error) {
	der, err := readPEM(name, "CERTIFICATE REQUEST")
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, usagef("%s is not signed with the key it names: %w", name, err)
	}
	return request, nil
}
