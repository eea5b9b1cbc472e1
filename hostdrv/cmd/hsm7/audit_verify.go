package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/audit"
)

func (a *app) auditVerifyCommand() *cobra.Command {
	var (
		from      passwordSource
		directory string
		serial    string
		first     uint64
	)
	cmd := &cobra.Command{
		Use: "verify (--dir DIR | FILE...)", Short: "Have a device of the same domain check log files (Auditor)",
		Long: `Have the device check log files, as its Auditor. It can check its own log, and
that of a device whose audit secret it has (hsm7 audit import-secret). Of its own
log, the end is checked too. The log in a directory has to begin with record 1,
unless --from says that what is before another one was put away; files have to
begin as their names say.`,
		Example: "  hsm7 audit verify --dir ./audit\n  hsm7 audit verify --dir ./audit --from 5001\n  hsm7 audit verify --of 7000001 audit-7000001-*.log",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLogin(cmd.Context(), command.RoleAuditor, from, func(ctx context.Context, s *hostdrv.Session) error {
				if serial == "" {
					serial = s.Device().Capabilities().Serial
				}
				files, err := logFiles(directory, serial, args)
				if err != nil {
					return err
				}
				extent := audit.Extent{First: first}
				if first == 0 && len(args) > 0 {
					extent.First = audit.FirstOf(args[0])
				}
				if extent.Head, err = endOfLog(ctx, s, serial); err != nil {
					return err
				}
				report, err := audit.Verify(ctx, s, serial, audit.ReadFiles(serial, files), extent)
				if err != nil {
					return err
				}
				return a.reportAudit(report)
			})
		},
	}
	cmd.Flags().StringVar(&directory, "dir", "", "directory of the files")
	cmd.Flags().StringVar(&serial, "of", "", "serial number of the device that wrote the log (default the one that checks)")
	cmd.Flags().Uint64Var(&first, "from", 0, "number of the record with which the log begins (default 1, or what the name of FILE says)")
	passwordFlag(cmd, &from)
	return cmd
}

// endOfLog returns the last record that a host has collected from the device
// that checks; nil for the log of another one.
func endOfLog(ctx context.Context, s *hostdrv.Session, serial string) (*command.AuditHead, error) {
	if serial != s.Device().Capabilities().Serial {
		return nil, nil
	}
	status, err := s.AuditStatus(ctx)
	if err != nil {
		return nil, err
	}
	if status.First > 0 { // the rest has not been collected
		return &command.AuditHead{Number: status.First - 1, Code: []byte{}}, nil
	}
	return &status.Head, nil
}

func logFiles(directory, serial string, args []string) ([]string, error) {
	if (directory == "") == (len(args) == 0) {
		return nil, usagef("give either --dir or files")
	}
	if directory == "" {
		return args, nil
	}
	return audit.Files(directory, serial)
}

// errAuditLog says that a log is not as the device wrote it.
var errAuditLog = errors.New("the log is not as the device wrote it")

func (a *app) reportAudit(r audit.Report) error {
	err := a.print(r, func(w io.Writer) {
		for _, line := range r.BadLines {
			fmt.Fprintln(w, line)
		}
		for _, f := range r.Findings {
			fmt.Fprintln(w, f)
		}
		if r.Checked > 0 {
			fmt.Fprintf(w, "records %d to %d: ", r.First, r.Last)
		}
		fmt.Fprintf(w, "%d checked, %d findings\n", r.Checked, len(r.BadLines)+len(r.Findings))
	})
	if err == nil && !r.Genuine() {
		err = errAuditLog
	}
	return err
}
