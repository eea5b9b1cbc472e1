package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/audit"
)

const auditAbout = `The Auditor decides what the device records, depends on no other role, and has a
domain before anything is recorded:

  hsm7 role init auditor                      # HSM7_AUDITOR_PASSWORD
  hsm7 audit domain                           # HSM7_AUDIT_DOMAIN
  hsm7 audit config f,s,a,m,k --rotate daily

A host takes the records from the device, which has room for some thousands, and
keeps them as files. Whoever changes a file is found out by any device of the
same domain:

  hsm7 audit collect --dir /var/log/usbhsm7 --follow
  hsm7 audit verify --dir /var/log/usbhsm7
`

func (a *app) auditCommand() *cobra.Command {
	cmd := group("admin", "audit", "Configure, collect and verify the audit log",
		a.auditConfigCommand(), a.auditDomainCommand(), a.auditStatusCommand(), a.auditCollectCommand(), a.auditVerifyCommand(),
		a.auditArchiveCommand(), a.auditMessageCommand(), a.auditExportCommand(), a.auditImportCommand())
	cmd.Long = auditAbout
	return cmd
}

// rotations are the names of the rotations, by number.
var rotations = []string{"never", "hourly", "daily", "weekly", "monthly"}

func (a *app) auditConfigCommand() *cobra.Command {
	var (
		from   passwordSource
		rotate string
		size   uint
	)
	cmd := &cobra.Command{
		Use: "config [MASK]", Short: "Show what is recorded, or choose it (Auditor)",
		Long: `Show what is recorded, or choose it as the Auditor. MASK has letters with commas
between them: f failure, s success, a access, m manage, k keymanage, u usage,
r first usage, x external, g logmanage, l all, n none; all but n need f or s.`,
		Example: "  hsm7 audit config\n  hsm7 audit config f,s,a,m,k --rotate daily --size 1024",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.withSession(cmd.Context(), command.SlotAdmin, a.showAuditConfig)
			}
			mask, err := command.ParseAuditMask(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			rotation := slices.Index(rotations, rotate)
			if rotation < 0 {
				return usagef("--rotate %q is not one of %s", rotate, strings.Join(rotations, ", "))
			}
			config := command.AuditConfig{Mask: mask, Rotation: command.AuditRotation(rotation), Size: size}
			return a.withLogin(cmd.Context(), command.RoleAuditor, from, func(ctx context.Context, s *hostdrv.Session) error {
				if err := s.SetAuditConfig(ctx, config); err != nil {
					return err
				}
				return a.showAuditConfig(ctx, s)
			})
		},
	}
	cmd.Flags().StringVar(&rotate, "rotate", "never", "when the host begins a new file: "+strings.Join(rotations, ", "))
	cmd.Flags().UintVar(&size, "size", 0, "KiB of a file; 0 = any")
	passwordFlag(cmd, &from)
	return cmd
}

func (a *app) showAuditConfig(ctx context.Context, s *hostdrv.Session) error {
	config, err := s.AuditConfig(ctx)
	if err != nil {
		return err
	}
	shown := struct {
		Mask   string `json:"mask"`
		Rotate string `json:"rotate"`
		Size   uint   `json:"size"`
	}{config.Mask.String(), rotations[min(int(config.Rotation), len(rotations)-1)], config.Size}
	return a.print(shown, func(w io.Writer) {
		fmt.Fprintf(w, "mask %s, files rotate %s, at %d KiB (0 = any size)\n", shown.Mask, shown.Rotate, shown.Size)
	})
}

func (a *app) auditDomainCommand() *cobra.Command {
	var from, domainFrom passwordSource
	cmd := &cobra.Command{
		Use: "domain", Short: "Set the domain under which audit secrets travel (Auditor)",
		Example: "  HSM7_AUDIT_DOMAIN=our-domain hsm7 audit domain", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLogin(cmd.Context(), command.RoleAuditor, from, func(ctx context.Context, s *hostdrv.Session) error {
				domain, err := a.auditDomain(ctx, s, domainFrom)
				if err != nil {
					return err
				}
				defer clear(domain)
				if err := s.SetAuditDomain(ctx, domain); err != nil {
					return err
				}
				return a.done("audit domain set")
			})
		},
	}
	cmd.Flags().StringVar(&domainFrom.file, "domain-file", "", "file that holds the domain; a newline at its end is dropped")
	passwordFlag(cmd, &from)
	return cmd
}

// auditDomain returns the domain to set; nil: people make it at the device, as they
// made the keyset of the Auditor. The caller wipes it.
func (a *app) auditDomain(ctx context.Context, s *hostdrv.Session, from passwordSource) ([]byte, error) {
	state, err := s.RoleState(ctx, command.RoleAuditor)
	if err != nil || state.Primary == command.AuthQuorum {
		return nil, err
	}
	return a.secret("HSM7_AUDIT_DOMAIN", "audit domain", from)
}

func (a *app) auditStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how much of the log the device holds", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				status, err := s.AuditStatus(ctx)
				if err != nil {
					return err
				}
				return a.print(status, func(w io.Writer) { printAuditStatus(w, status) })
			})
		},
	}
}

func printAuditStatus(w io.Writer, s command.AuditStatusResponse) {
	if !s.Initialised {
		fmt.Fprintln(w, "there is no Auditor: hsm7 role init auditor")
		return
	}
	held := uint64(0)
	if s.First > 0 {
		held = s.Head.Number - s.First + 1
	}
	fmt.Fprintf(w, "mask %s\n%d records so far, %d of them in the device: %d of %d bytes\n", s.Mask, s.Head.Number, held, s.Used, s.Capacity)
	if s.Full {
		fmt.Fprintln(w, "the log is full: what would be recorded is refused; collect it (hsm7 audit collect)")
	}
	if s.Lost > 0 {
		fmt.Fprintf(w, "%d events had no room\n", s.Lost)
	}
}

func (a *app) auditCollectCommand() *cobra.Command {
	var (
		directory, syslog, ca string
		o                     audit.Options
	)
	cmd := &cobra.Command{
		Use: "collect --dir DIR", Short: "Take the records from the device and keep them as files",
		Long: `Take the records from the device and keep them as files in DIR. A record leaves
the device only when it is on the disk and, with --syslog, sent: RFC 5424 messages
over TLS (RFC 5425). No role has to log in, so that this can run as a service.`,
		Example: "  hsm7 audit collect --dir ./audit\n  hsm7 audit collect --dir /var/log/usbhsm7 --follow --syslog logs.example:6514 --syslog-ca ca.pem",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if directory == "" {
				return usagef("--dir is missing")
			}
			config, err := logServer(ca)
			if err != nil {
				return err
			}
			return a.collect(ctx, directory, func(ctx context.Context, serial string) (func() error, error) {
				if syslog == "" {
					return func() error { return nil }, nil
				}
				s, err := audit.DialSyslog(ctx, syslog, serial, config)
				if err != nil {
					return nil, err
				}
				o.Forward = s.Forward
				return s.Close, nil
			}, &o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&directory, "dir", "", "directory of the files; made if absent")
	flags.BoolVar(&o.Follow, "follow", false, "go on until interrupted")
	flags.BoolVar(&o.Keep, "keep", false, "leave the records in the device")
	flags.DurationVar(&o.Interval, "interval", 0, "how often to look, with --follow (default 1s)")
	flags.StringVar(&syslog, "syslog", "", "also send the records to this log server, host:port, over TLS")
	flags.StringVar(&ca, "syslog-ca", "", "file with the certificates that the log server is checked against (default those of this machine)")
	return cmd
}

// logServer returns how a log server is authenticated.
func logServer(ca string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12} // RFC 9662 asks for at least this
	if ca == "" {
		return config, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("%w: --syslog-ca: %w", errUsage, err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("--syslog-ca %s holds no certificate", ca)
	}
	return config, nil
}

// collect runs without the timeout if it follows: the device may be silent for
// long.
func (a *app) collect(ctx context.Context, directory string, forward func(context.Context, string) (func() error, error), o *audit.Options) (err error) {
	device, release, err := a.where.open(ctx)
	if err != nil {
		return err
	}
	defer release()
	session, err := device.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	serial := device.Capabilities().Serial
	stop, err := forward(ctx, serial)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	log, err := audit.Open(directory, serial)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	taken, err := audit.Collect(ctx, session, log, *o)
	if err != nil {
		return err
	}
	return a.done("%s collected", counted(taken, "record"))
}

func (a *app) auditArchiveCommand() *cobra.Command {
	var directory, serial string
	cmd := &cobra.Command{
		Use: "archive --dir DIR --of SERIAL FILE.tar", Short: "Put log files into a tar archive",
		Example: "  hsm7 audit archive --dir /var/log/usbhsm7 --of 7000001 audit.tar", Args: exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := logFiles(directory, serial, nil)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				return usagef("there is no log of device %q in %s; --of says which", serial, directory)
			}
			out, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
			if err != nil {
				return err
			}
			if err := errors.Join(audit.Archive(out, files), out.Close()); err != nil {
				return err
			}
			return a.done("%s archived", counted(len(files), "file"))
		},
	}
	cmd.Flags().StringVar(&directory, "dir", "", "directory of the files")
	cmd.Flags().StringVar(&serial, "of", "", "serial number of the device that wrote the log")
	return cmd
}

func (a *app) auditMessageCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logmsg TEXT", Short: "Have the device record a text, if its mask has x", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), command.SlotAdmin, func(ctx context.Context, s *hostdrv.Session) error {
				if err := s.AuditLogMessage(ctx, args[0]); err != nil {
					return err
				}
				return a.done("message handed over")
			})
		},
	}
}

func (a *app) auditExportCommand() *cobra.Command {
	var from passwordSource
	cmd := &cobra.Command{
		Use: "export-secret FILE", Short: "Write the device's audit secret, sealed under the domain (Auditor)", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLogin(cmd.Context(), command.RoleAuditor, from, func(ctx context.Context, s *hostdrv.Session) error {
				secret, err := s.ExportAuditSecret(ctx)
				if err != nil {
					return err
				}
				text, err := json.MarshalIndent(secret, "", "  ")
				if err != nil {
					return err
				}
				if err := os.WriteFile(args[0], append(text, '\n'), 0o600); err != nil {
					return err
				}
				return a.done("audit secret of %s written to %s", secret.Serial, args[0])
			})
		},
	}
	passwordFlag(cmd, &from)
	return cmd
}

func (a *app) auditImportCommand() *cobra.Command {
	var from passwordSource
	cmd := &cobra.Command{
		Use: "import-secret FILE", Short: "Give the device the audit secret of another one of its domain (Auditor)", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			var secret command.AuditSecret
			if err := json.Unmarshal(text, &secret); err != nil {
				return usagef("%s holds no audit secret: %w", args[0], err)
			}
			return a.withLogin(cmd.Context(), command.RoleAuditor, from, func(ctx context.Context, s *hostdrv.Session) error {
				if err := s.ImportAuditSecret(ctx, secret); err != nil {
					return err
				}
				return a.done("audit secret of %s imported", secret.Serial)
			})
		},
	}
	passwordFlag(cmd, &from)
	return cmd
}
