package main

import (
	"crypto/hpke"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// shown is what inspect and verify print of an update file.
type shown struct {
	File       string          `json:"file"`
	Verified   bool            `json:"verified"`
	Opened     bool            `json:"opened"` // decrypted with the authentication code, and the payload is right
	Bytes      int             `json:"bytes"`
	Manifest   fuf.Manifest    `json:"manifest"`
	Signatures []fuf.Signature `json:"signatures"`
	Proof      bool            `json:"proof"` // there is one
}

func (a *app) fufInspectCommand() *cobra.Command {
	var logEntry string
	cmd := &cobra.Command{
		Use: "inspect FILE", Short: "Show what an update file says about itself", Args: exactArgs(1), ValidArgsFunction: fufFiles,
		Long:    "Show what an update file, signed or not, says about itself. Nothing of it is verified.",
		Example: "  hsm7 fuf inspect update.fuf\n  hsm7 fuf inspect update.fuf --json",
		RunE: func(_ *cobra.Command, args []string) error {
			draft, err := readDraft(args[0])
			if err != nil {
				return err
			}
			if logEntry != "" {
				return a.writeResult(logEntry, draft.LogEntry(), "entry for a log")
			}
			whole, err := draft.Bytes()
			if err != nil {
				return err
			}
			s := shown{File: args[0], Bytes: len(whole), Manifest: draft.Manifest, Signatures: draft.Signatures(), Proof: len(draft.Proof) > 0}
			return a.print(s, s.text)
		},
	}
	cmd.Flags().StringVar(&logEntry, "log-entry", "", "write what a log of transparency has to hold to this file")
	return cmd
}

// verifyFlags are the flags of hsm7 fuf verify.
type verifyFlags struct{ trust, models, code, payload string }

func (a *app) fufVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Verify an update file as a device does", Args: exactArgs(1), ValidArgsFunction: fufFiles,
		Long: `Verify the signatures, the proof and every chunk of an update file. With the authentication code, also
decrypt the payload and verify that, which needs the private key of the models.`,
		Example: "  hsm7 fuf verify update.fuf --trust vendor.trust.json\n  hsm7 fuf verify update.fuf --authcode update.txt --payload image",
		RunE: func(_ *cobra.Command, args []string) error {
			if f.payload != "" && f.code == "" {
				return usagef("--payload needs --authcode")
			}
			s, err := a.verifyUpdate(args[0], f)
			if err != nil {
				return err
			}
			return a.print(s, s.text)
		},
	}
	trustFlag(cmd, &f.trust)
	cmd.Flags().StringVar(&f.models, "models", "", "private key of the models; without it, the published one of the simulator")
	cmd.Flags().StringVar(&f.code, "authcode", "", "file of the authentication code")
	cmd.Flags().StringVar(&f.payload, "payload", "", "file to which the payload is written")
	return cmd
}

func (a *app) verifyUpdate(name string, f verifyFlags) (*shown, error) {
	file, err := openUpdate(name, f.trust)
	if err != nil {
		return nil, err
	}
	defer file.content.Close()
	bar := a.progress("verifying", file.Chunks())
	err = file.Verify(bar.step)
	bar.end()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &shown{
		File: name, Verified: true, Opened: f.code != "", Bytes: file.Size(),
		Manifest: file.Manifest(), Signatures: file.Signatures(), Proof: file.Proven(),
	}
	if s.Opened {
		err = writePayload(file, f)
	}
	return s, err
}

// writePayload decrypts the payload and writes it to the file that the flags
// name, if they do.
func writePayload(file *updateFile, f verifyFlags) error {
	models, err := readModels(f.models)
	if err != nil {
		return err
	}
	code, err := readCode(f.code)
	if err != nil {
		return err
	}
	defer clear(code[:])
	key, err := file.Unlock(models, code)
	if err != nil {
		return fmt.Errorf("%s: %w", file.content.Name(), err)
	}
	defer key.Wipe()
	if f.payload == "" {
		return file.decrypt(io.Discard, key)
	}
	out, err := os.OpenFile(f.payload, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return usagef("%w", err)
	}
	err = file.decrypt(out, key)
	if closing := out.Close(); err == nil {
		err = closing
	}
	return err
}

// decrypt writes the payload to w, as fuf.File.Payload does.
func (f *updateFile) decrypt(w io.Writer, key *fuf.Key) error {
	if err := f.Payload(w, key); err != nil {
		return fmt.Errorf("%s: %w", f.content.Name(), err)
	}
	return nil
}

func readModels(name string) (hpke.PrivateKey, error) {
	if name == "" {
		return testkeys.Models(), nil
	}
	text, err := readSecret(name)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key, err := fuf.DecodeModels(text)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return key, nil
}

func (s shown) text(w io.Writer) {
	r := s.Manifest.Release
	fmt.Fprintf(w, "%s %s %s, security version %d\n", r.Product, r.Kind, r.Version, r.SecurityVersion)
	for _, row := range [][2]string{
		{"models", strings.Join(r.Models, ", ")},
		{"valid from", ranges(r.ValidFrom)},
		{"needs", needs(r)},
		{"stored data", dataChange(r.Data)},
		{"rollback", map[fuf.Rollback]string{fuf.RollbackDestroys: "zeroizes the HSM", fuf.RollbackImpossible: "impossible"}[r.Rollback]},
		{"may be used", period(r.NotBefore, r.NotAfter)},
		{"built from", strings.TrimSpace(r.Provenance.Commit + " " + r.Provenance.Toolchain)},
		{"payload", fmt.Sprintf("%d bytes, SHA-256 %s", r.Size, r.Digest)},
		{"encrypted for", "key " + s.Manifest.Sealing.Recipient.String()},
		{"signed", signedBy(s.Signatures)},
		{"in a log", map[bool]string{true: "with a proof"}[s.Proof]},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "  %-14s %s\n", row[0], row[1])
		}
	}
	if r.Notes != "" {
		fmt.Fprintf(w, "\n%s\n\n", strings.TrimRight(r.Notes, "\n"))
	}
	fmt.Fprintln(w, s.verdict())
}

func (s shown) verdict() string {
	switch {
	case s.Opened:
		return "The file is genuine and whole, the authentication code belongs to it, and its payload is right."
	case s.Verified:
		return "The file is genuine and whole."
	}
	return "Nothing of this is verified: hsm7 fuf verify does that."
}

func ranges(list []fuf.Range) string {
	parts := make([]string, len(list))
	for i, r := range list {
		parts[i] = r.From.String()
		if r.From != r.To {
			parts[i] += " to " + r.To.String()
		}
	}
	return strings.Join(parts, ", ")
}

func needs(r fuf.Release) string {
	text := fmt.Sprintf("bootloader %s, client %s", r.MinBootloader, r.MinClient)
	for _, policy := range r.Requires.PoliciesOff {
		text += fmt.Sprintf(", HSM policy %d off", policy)
	}
	if r.Requires.FreePercent > 0 {
		text += fmt.Sprintf(", %d %% of the storage free", r.Requires.FreePercent)
	}
	return text
}

func dataChange(d fuf.DataChange) string {
	if d.Class == fuf.MigrateNone {
		return fmt.Sprintf("stays as it is (schema %d)", d.To)
	}
	return fmt.Sprintf("is converted from schema %d or later to %d (%s), about %s", d.From, d.To, d.Class, counted(int(d.Minutes), "minute"))
}

// period returns the time in which an update may be installed, empty if that is
// any time.
func period(from, to int64) string {
	day := func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
	switch {
	case from == 0 && to == 0:
		return ""
	case to == 0:
		return "from " + day(from)
	case from == 0:
		return "until " + day(to)
	}
	return day(from) + " to " + day(to)
}

func signedBy(signatures []fuf.Signature) string {
	if len(signatures) == 0 {
		return "by nobody"
	}
	parts := make([]string, len(signatures))
	for i, s := range signatures {
		parts[i] = fmt.Sprintf("%s key %s", s.Algorithm, s.Key)
	}
	return strings.Join(parts, ", ")
}
