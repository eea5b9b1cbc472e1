package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/rehearse/report"
	"usbhsm7/firmware/rehearse/update"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
)

// errRehearsal marks a rehearsal in which something failed.
var errRehearsal = errors.New("the rehearsal found that the update is not safe on this device")

// profiles are the devices that are rehearsed as they are made, by the model's name.
var profiles = []string{"U700"}

// rehearseFlags are the flags of hsm7 fuf rehearse and replay.
type rehearseFlags struct {
	file, device, trust, models, code string
	out, depth                        string
	seed                              uint64
	phases                            []string
}

func (f *rehearseFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.device, "device", profiles[0], "state directory, snapshot (hsm7 sim snapshot), or "+strings.Join(profiles, ", ")+" for a new device")
	cmd.Flags().StringVar(&f.models, "models", "", "private key of the models; without it, the published one of the simulator")
	cmd.Flags().StringVar(&f.code, "authcode", "", "file of the authentication code; without it, named as FILE with .txt at its end")
	trustFlag(cmd, &f.trust)
}

func (a *app) fufRehearseCommand() *cobra.Command {
	var f rehearseFlags
	cmd := &cobra.Command{
		Use: "rehearse FILE --device STATE", Short: "Try every way in which an update of a device can fail, on copies", Args: exactArgs(1), ValidArgsFunction: fufFiles,
		Long: `Install an update on copies of a device, and let everything go wrong that can: the power fails at each
operation on the flash and again in each recovery, every bit of the file is flipped and the file is cut off
everywhere, and everything about the update and the device that must be right is wrong.

The device is a state directory of the simulator, a snapshot of one, or the name of a model for a device
as it is made. It is read and left as it is; a simulator that runs with the directory gives a snapshot.
--out writes a report as JSON, as JUnit and as a page; for the same file, device and seed it is the same.
Each failure comes with the command that shows it again.`,
		Example: "  hsm7 fuf rehearse update.fuf --device ~/.local/share/usbhsm7\n" +
			"  hsm7 sim snapshot hsm.flash && hsm7 fuf rehearse update.fuf --device hsm.flash --out rehearsal\n" +
			"  hsm7 fuf rehearse update.fuf --device U700 --phase cuts --depth full",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.file = args[0]
			return a.rehearse(cmd, f)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.out, "out", "", "folder for the report: rehearsal.json, rehearsal.xml, rehearsal.html")
	cmd.Flags().StringVar(&f.depth, "depth", string(update.Quick), "quick or full: whether what takes long is tried in part or completely")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "of the ways in which operations are torn")
	cmd.Flags().StringSliceVar(&f.phases, "phase", nil, "only these: "+strings.Join(update.Phases(), ", "))
	complete(cmd, "depth", string(update.Quick), string(update.Full))
	complete(cmd, "phase", update.Phases()...)
	return cmd
}

// complete has the values of a flag completed.
func complete(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) fufReplayCommand() *cobra.Command {
	var f rehearseFlags
	cmd := &cobra.Command{
		Use: "replay TOKEN --file FILE --device STATE", Short: "Try one case of a rehearsal again", Args: exactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Try one case of a rehearsal again, by its token. The report of hsm7 fuf rehearse has the whole command
for each failure.`,
		Example: "  hsm7 fuf replay 'cuts/update: cut=p1/prog@0x802000#9:word:17' --file update.fuf --device hsm.flash",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.replayCase(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.file, "file", "", "the update file")
	f.add(cmd)
	return cmd
}

func (a *app) rehearse(cmd *cobra.Command, f rehearseFlags) error {
	if f.depth != string(update.Quick) && f.depth != string(update.Full) {
		return usagef("--depth %q is not %s or %s", f.depth, update.Quick, update.Full)
	}
	o, err := a.rehearsal(cmd.Context(), f)
	if err != nil {
		return err
	}
	bars := &bars{app: a}
	o.Progress = bars.show
	r, err := update.Run(cmd.Context(), o)
	bars.end()
	if errors.Is(err, update.ErrPhase) {
		return usagef("--phase: %w", err)
	}
	if err != nil {
		return err
	}
	var files []string
	if f.out != "" {
		if files, err = r.Write(f.out); err != nil {
			return err
		}
	}
	if err := a.print(r, func(w io.Writer) { printRehearsal(w, r, files) }); err != nil {
		return err
	}
	if r.Failed > 0 {
		return errRehearsal
	}
	return nil
}

func (a *app) replayCase(ctx context.Context, token string, f rehearseFlags) error {
	if f.file == "" {
		return usagef("--file must be given")
	}
	o, err := a.rehearsal(ctx, f)
	if err != nil {
		return err
	}
	wrong, err := update.Replay(ctx, o, token)
	if err != nil {
		return usagef("%w", err)
	}
	if err := a.print(map[string]any{"token": token, "wrong": append([]string{}, wrong...)}, func(w io.Writer) {
		if len(wrong) == 0 {
			fmt.Fprintln(w, "All is as it should be.")
		}
		for _, detail := range wrong {
			fmt.Fprintln(w, detail)
		}
	}); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return errRehearsal
	}
	return nil
}

// rehearsal reads what the flags name.
func (a *app) rehearsal(ctx context.Context, f rehearseFlags) (o update.Options, err error) {
	o = update.Options{Tool: "hsm7 " + version, File: filepath.Base(f.file), Device: f.device, Seed: f.seed, Depth: update.Depth(f.depth), Phases: f.phases, Reproduce: f.reproduce}
	if o.Trust, err = readTrust(f.trust); err != nil {
		return o, err
	}
	models, err := readModels(f.models)
	if err != nil {
		return o, err
	}
	client, err := fuf.ParseVersion(hostdrv.Version)
	if err != nil {
		return o, err
	}
	trusting := a.trusting
	if trusting == nil {
		trusting = boot.Trusting
	}
	s := sweep.Subject{
		Config: boot.Config{Verifier: trusting(o.Trust, models), Product: "usbhsm7", Model: profiles[0]},
		Facts:  boot.Facts{Now: time.Now(), Client: client, FreePercent: 100},
	}
	if s.File, err = readBounded(f.file, maxUpdate); err != nil {
		return o, err
	}
	code := f.code
	if code == "" {
		code = strings.TrimSuffix(f.file, filepath.Ext(f.file)) + ".txt"
	}
	if s.Code, err = readCode(code); err != nil {
		return o, err
	}
	s.Chip, err = readDevice(ctx, f.device)
	o.Subject = s
	return o, err
}

// reproduce returns the command that replays a token.
func (f *rehearseFlags) reproduce(token string) string {
	command := "hsm7 fuf replay " + shellWord(token) + " --file " + shellWord(f.file) + " --device " + shellWord(f.device)
	for _, flag := range []struct{ name, value string }{{"authcode", f.code}, {"trust", f.trust}, {"models", f.models}} {
		if flag.value != "" {
			command += " --" + flag.name + " " + shellWord(flag.value)
		}
	}
	return command
}

// shellWord returns a word as a shell reads it back.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// bars shows the progress of one phase after the other.
type bars struct {
	app   *app
	title string
	bar   *progress
	total int
}

func (b *bars) show(title string, done, total int) {
	if title != b.title || total != b.total {
		b.end()
		b.title, b.total, b.bar = title, total, b.app.progress(title, total)
	}
	b.bar.step(done)
}

func (b *bars) end() {
	if b.bar != nil {
		b.bar.end()
	}
	b.bar = nil
}

// printRehearsal shows a report to people.
func printRehearsal(w io.Writer, r *report.Report, files []string) {
	fmt.Fprintf(w, "%s on %s, model %s, firmware %s\n\n", r.File.Title(), r.Device.Name, r.Device.Model, r.Device.Firmware)
	for _, p := range r.Phases {
		verdict := "none failed"
		if n := len(p.Failures); n > 0 {
			verdict = fmt.Sprintf("%d FAILED", n)
		}
		if p.Skipped != "" {
			fmt.Fprintf(w, "%-52s %9s left out\n", p.Title, "")
			continue
		}
		fmt.Fprintf(w, "%-52s %9s %s, %s\n", p.Title, report.Number(p.Tried), p.Unit, verdict)
		for i, f := range p.Failures {
			if i == 10 {
				fmt.Fprintf(w, "    and %d more: --out DIR writes all of them\n", len(p.Failures)-i)
				break
			}
			fmt.Fprintf(w, "    %s: %s\n    %s\n", f.Rule, f.Detail, f.Reproduce)
		}
	}
	fmt.Fprintf(w, "\n%s\n", r.Verdict())
	if len(files) > 0 {
		fmt.Fprintln(w, "written:", strings.Join(files, ", "))
	}
}
