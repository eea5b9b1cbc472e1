package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"usbhsm7/firmware/dialogue"
	"usbhsm7/hostdrv/ceremony"
)

func (a *app) ceremonyCommand() *cobra.Command {
	return group("admin", "ceremony", "Hold key ceremonies by their files: with people, without, or as a rehearsal",
		a.ceremonyRunCommand(), a.ceremonyCheckCommand(), a.ceremonyReportCommand())
}

// pace is how long people take for one thing where nobody does it.
const pace = 4 * time.Second

// holding are the flags of hsm7 ceremony run.
type holding struct {
	control  string // of the simulator that is there; empty: one of its own
	firmware string // the program of one of its own
	seed     string
	folder   string
	from     string // ID of a step
	byHand   bool
	rehearse bool
	fault    string // rehearse what holds this in its text
	plain    bool   // no pictures
	values   map[string]string
	reach    []string // flags with which commands reach the device of control; none: as the simulator says
}

func (a *app) ceremonyRunCommand() *cobra.Command {
	var h holding
	cmd := &cobra.Command{
		Use: "run FILE", Short: "Hold a ceremony, record it and write its report",
		Long: `Hold the ceremony of a file (docs/ceremonies.md), record it and write its report,
an HTML page to print and to sign.

Without people a script does at the screen and with the iKeys what the file says:
one command, for CI. With --by-hand people do it, at the web page of the screen,
and are told what to do step by step. With --rehearse things go wrong on purpose:
what the file lists under faults, and what may happen in any step.

The device is the simulator of --control, or one that is started for the ceremony
and is gone with it: from the same --seed follows the same record. It holds those
ceremonies first that the file follows.`,
		Example: "  hsm7 ceremony run docs/ceremonies/initialise-root-ca.yaml\n" +
			"  hsm7 ceremony run --rehearse docs/ceremonies/initialise-root-ca.yaml\n" +
			"  hsm7 ceremony run --by-hand --control ./hsm/control.sock --out ceremony initialise.yaml",
		Args: exactArgs(1), ValidArgsFunction: completeYAML,
		RunE: func(cmd *cobra.Command, args []string) error {
			h.reach = given(cmd.InheritedFlags())
			return a.hold(cmd.Context(), h, args[0])
		},
	}
	flags := cmd.Flags()
	controlFlag(flags, &h.control)
	flags.StringVar(&h.firmware, "firmware", "", "the program usbhsm7 for a simulator of its own (default beside hsm7, or on the path)")
	flags.StringVar(&h.seed, "seed", "ceremony", "make everything random on a simulator of its own follow from this text")
	flags.StringVar(&h.folder, "out", "", "folder for the record, the report and what the ceremony makes (default the name of the file)")
	flags.StringVar(&h.from, "from", "", "go on at this step of a ceremony that was stopped; its record is continued")
	flags.BoolVar(&h.byHand, "by-hand", false, "people are at the screen; also where only they know the PINs")
	flags.BoolVar(&h.rehearse, "rehearse", false, "have things go wrong, on simulators of its own")
	flags.StringVar(&h.fault, "fault", "", "rehearse only faults in whose text this stands, such as 'walks away'")
	flags.BoolVar(&h.plain, "no-pictures", false, "leave pictures of the screens out of the record")
	flags.StringToStringVar(&h.values, "set", nil, "name=value: what stands for {name} in commands instead of the value in the file")
	_ = cmd.MarkFlagDirname("out")
	return cmd
}

// given returns the flags that were given, but for --json.
func given(flags *pflag.FlagSet) (list []string) {
	flags.VisitAll(func(f *pflag.Flag) { // Visit knows only what was given behind the command
		if f.Changed && f.Name != "json" {
			list = append(list, "--"+f.Name+"="+f.Value.String())
		}
	})
	return list
}

// completeYAML completes the names of ceremony files.
func completeYAML(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// check refuses flags that make no sense together.
func (h *holding) check(c *ceremony.Ceremony) error {
	h.byHand = h.byHand || c.NeedsPeople()
	h.rehearse = h.rehearse || h.fault != ""
	switch {
	case h.rehearse && c.NeedsPeople():
		return usagef("%w: nobody can rehearse it without them", ceremony.ErrPeople)
	case h.rehearse && h.byHand:
		return usagef("--rehearse and --by-hand exclude each other")
	case h.rehearse && h.from != "":
		return usagef("--rehearse and --from exclude each other: a rehearsal begins anew")
	case h.from != "" && h.control == "":
		return usagef("--from needs the simulator of the ceremony that was stopped: --control")
	}
	if h.folder == "" {
		h.folder = strings.TrimSuffix(c.Name, filepath.Ext(c.Name))
	}
	for name, value := range h.values {
		if _, ok := c.Values[name]; !ok {
			return usagef("--set %s: the file has no such value", name)
		}
		c.Values[name] = value
	}
	if err := checkCommands(c); err != nil {
		return err
	}
	return os.MkdirAll(h.folder, 0o755)
}

// hold holds a ceremony and saves its record, however it ends.
func (a *app) hold(ctx context.Context, h holding, path string) (err error) {
	c, err := ceremony.Read(path, dialogue.Screens())
	if err != nil {
		return err
	}
	if err := h.check(c); err != nil {
		return err
	}
	runner := &ceremony.Runner{Ceremony: c, Folder: h.folder, ByHand: h.byHand, Pictures: !h.plain, Told: a.teller(c, h.byHand)}
	record, from, err := h.record(runner)
	if err != nil {
		return err
	}
	start := func(ctx context.Context) (ceremony.Place, error) { return a.place(ctx, h, c) }
	began := time.Now()
	switch {
	case h.rehearse:
		runner.Pace, runner.Only = pace, h.fault
		record.Seed = h.seed
		if err = runner.Rehearse(ctx, record, start); errors.Is(err, ceremony.ErrNoFault) {
			return usagef("--fault: %w", err)
		}
	default:
		err = a.holdAt(ctx, h, runner, record, from, start)
	}
	if saving := record.Save(h.folder); saving != nil {
		return errors.Join(err, saving)
	}
	if err != nil {
		return err
	}
	return a.print(finished{
		Outcome: record.Outcome, Seconds: time.Since(began).Seconds(), Steps: len(record.Steps),
		Record: filepath.Join(h.folder, ceremony.RecordName(c.Name)), Report: filepath.Join(h.folder, ceremony.ReportName(c.Name)),
	}, func(w io.Writer) {
		fmt.Fprintf(w, "\nDone in %.1f s: %s.\n  record  %s\n  report  %s\n", time.Since(began).Seconds(), record.Outcome,
			filepath.Join(h.folder, ceremony.RecordName(c.Name)), filepath.Join(h.folder, ceremony.ReportName(c.Name)))
	})
}

// holdAt holds a ceremony at one place.
func (a *app) holdAt(ctx context.Context, h holding, runner *ceremony.Runner, record *ceremony.Record, from int, start func(context.Context) (ceremony.Place, error)) (err error) {
	place, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.Leave()) }()
	runner.Simulator, runner.Host = place.Simulator, place.Host
	if h.control == "" && !h.byHand {
		runner.Pace = pace
		record.Seed = h.seed
	}
	return runner.Run(ctx, record, from)
}

// finished is the last line of hsm7 ceremony run --json.
type finished struct {
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
	Steps   int     `json:"steps"` // carried out, those with faults included
	Record  string  `json:"record"`
	Report  string  `json:"report"`
}

// record returns the record to write to, and the number of the first step.
func (h *holding) record(r *ceremony.Runner) (*ceremony.Record, int, error) {
	record := r.NewRecord()
	record.Program = version
	if h.from == "" {
		return record, 1, nil
	}
	i := slices.IndexFunc(r.Ceremony.Steps, func(s ceremony.Step) bool { return s.ID == h.from })
	if i < 0 {
		return nil, 0, usagef("--from: there is no step %q", h.from)
	}
	file, err := os.Open(filepath.Join(h.folder, ceremony.RecordName(r.Ceremony.Name)))
	if errors.Is(err, fs.ErrNotExist) {
		return record, i + 1, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	continued, err := ceremony.ReadRecord(file)
	if err == nil && continued.File.SHA256 != record.File.SHA256 {
		err = usagef("--from: the ceremony file has changed since its record was begun")
	}
	return continued, i + 1, err
}

func (a *app) ceremonyReportCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "report RECORD", Short: "Write the report of a ceremony from its record",
		Example: "  hsm7 ceremony report initialise-root-ca/initialise-root-ca.record.json --out report.html",
		Args:    exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			record, err := ceremony.ReadRecord(file)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			var page bytes.Buffer
			if err := record.WriteReport(&page); err != nil {
				return err
			}
			return a.writeFile(out, page.Bytes())
		},
	}
	cmd.Flags().StringVar(&out, "out", "-", "file for the report, HTML; - is the standard output")
	return cmd
}
