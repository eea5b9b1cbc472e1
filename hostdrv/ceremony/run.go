package ceremony

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"usbhsm7/firmware/control"
)

// ErrDeparted says that a ceremony did not go as its file says.
var ErrDeparted = errors.New("the ceremony departed from its file")

// Host runs a command line of hsm7, without that word, and returns what it prints
// and its exit status. It ends when ctx does.
type Host func(ctx context.Context, args []string) (output string, exit int)

// Runner holds a ceremony.
type Runner struct {
	Ceremony  *Ceremony
	Simulator *control.Client
	Host      Host
	Folder    string        // where its papers lie and its files come; exists
	ByHand    bool          // people are at the screen; otherwise a script
	Pace      time.Duration // by which the device's clock is set forward for each thing that people do; of a clock that stands still
	Pictures  bool          // of the screens, for the record
	Only      string        // rehearse only faults in whose text this stands
	Told      Told

	record *Record
	hands  *recorder
	pass   int
	state  string // digest of the device after the last step; empty: something may have happened since
}

// Told hears how a ceremony goes. Each may be nil.
type Told struct {
	Begins func(context.Context, Done) error // a step is about to begin; an error ends the ceremony
	Shown  func(Shown)                       // a screen waits for people, who are to do, or have done, this
	Ended  func(Done)
}

// ErrPeople says that a ceremony cannot be held without people.
var ErrPeople = errors.New("only people know the PINs of this ceremony")

// Run holds the ceremony from step number from, the first is 1, and records it. The
// error wraps ErrDeparted if a step ended otherwise than the file says, and
// ErrPeople if a script would have to know a PIN.
func (r *Runner) Run(ctx context.Context, record *Record, from int) error {
	if r.Ceremony.NeedsPeople() && !r.ByHand {
		return ErrPeople
	}
	if err := r.begin(ctx, record); err != nil {
		return err
	}
	for i := max(from, 1) - 1; i < len(r.Ceremony.Steps); i++ {
		if err := r.plan(ctx, i, i == from-1 && from > 1); err != nil {
			record.Outcome = fmt.Sprintf("stopped at step %d, %s: %v", i+1, r.Ceremony.Steps[i].Title, err)
			return err
		}
	}
	record.Outcome, record.Finished = "every step went as the file says", true
	return nil
}

// NewRecord returns an empty record of the runner's ceremony.
func (r *Runner) NewRecord() *Record { return newRecord(r.Ceremony) }

// begin prepares the record, the folder and the hands.
func (r *Runner) begin(ctx context.Context, record *Record) error {
	status, err := r.Simulator.Status(ctx)
	if err != nil {
		return err
	}
	r.record = record
	record.Unit = Unit{Model: status.Model, Serial: status.Serial, Firmware: status.Firmware}
	if record.Mode == "" {
		if record.Mode = Unattended; r.ByHand {
			record.Mode = ByHand
		}
	}
	if err := r.layPapers(); err != nil {
		return err
	}
	r.hands = newRecorder(r)
	for _, k := range r.Ceremony.bring() {
		if err := r.hands.Bring(ctx, k); err != nil {
			return fmt.Errorf("bring the iKey %s: %w", k.Name, err)
		}
	}
	return nil
}

// layPapers writes the papers of the ceremony into its folder.
func (r *Runner) layPapers() error {
	for name, text := range r.Ceremony.Papers {
		path := filepath.Join(r.Folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// plan carries out a step as the file says. It is done again if it was stopped before.
func (r *Runner) plan(ctx context.Context, i int, repeated bool) error {
	step := r.Ceremony.Steps[i]
	script, err := r.Ceremony.script(step, nil)
	if err != nil {
		return err
	}
	if repeated {
		script.Rules = append(script.Rules, again)
	}
	return r.step(ctx, i, script, step.Expect, "")
}

// step carries out one step and records it.
func (r *Runner) step(ctx context.Context, i int, people script, expect Expectation, fault string) error {
	s := r.Ceremony.Steps[i]
	done := Done{
		Number: i + 1, ID: s.ID, Pass: r.pass, Title: s.Title, Say: s.Say, Fault: fault,
		Who: r.Ceremony.holders(s, people.Rules[:people.planned]), Does: r.Ceremony.deed(s),
	}
	if r.Told.Begins != nil {
		if err := r.Told.Begins(ctx, done); err != nil {
			return err
		}
	}
	if done.Began, done.Before = r.now(ctx), r.state; done.Before == "" {
		done.Before = r.digest(ctx)
	}
	err := r.act(ctx, s, people, &done)
	if ctx.Err() != nil {
		err = ctx.Err() // the ceremony is stopped: it is not the step that fails
	}
	if err == nil || errors.Is(err, errNotShown) {
		err = cmp.Or(expect.met(done), err) // what the host says tells why nothing was shown
	}
	if err == nil && fault == "" {
		done.Files, err = r.files(s.Files)
	}
	done.Ended, done.After = r.now(ctx), r.digest(ctx)
	if r.state = ""; r.Pace > 0 {
		r.state = done.After // nobody else is there, and the clock stands still until the next step
	}
	if err != nil {
		done.Failure = err.Error()
	}
	r.record.Steps = append(r.record.Steps, done)
	if r.Told.Ended != nil {
		r.Told.Ended(done)
	}
	return err
}

// deed says what a step does.
func (c *Ceremony) deed(s Step) string {
	switch {
	case s.Host != "":
		line := strings.ReplaceAll(strings.Join(strings.Fields(s.Host), " "), "{out}/", "")
		for name, value := range c.Values {
			line = strings.ReplaceAll(line, "{"+name+"}", value)
		}
		return "hsm7 " + line
	case s.Power != "":
		return "power " + s.Power
	case s.Clock != 0:
		return "the device's clock is set forward by " + span(time.Duration(s.Clock))
	}
	return ""
}

// span writes a time that is whole days as such.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 && d != day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// act does what a step says: at the host, or to power and clock.
func (r *Runner) act(ctx context.Context, s Step, people script, done *Done) error {
	switch {
	case s.Host != "":
		return r.host(ctx, s, people, done)
	case s.Clock != 0:
		_, err := r.Simulator.ChangeClock(ctx, control.ClockChange{Advance: s.Clock})
		return err
	case s.Power != "":
		return r.power(ctx, s.Power)
	}
	return nil
}

func (r *Runner) power(ctx context.Context, to string) (err error) {
	if to == "off" || to == "cycle" {
		_, err = r.Simulator.PowerOff(ctx)
	}
	if err == nil && to != "off" {
		_, err = r.Simulator.PowerOn(ctx)
	}
	return err
}

// host has the host run a command while people attend to the device.
func (r *Runner) host(ctx context.Context, s Step, people script, done *Done) error {
	args, err := r.Ceremony.command(s.Host, map[string]string{"out": r.Folder})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	attended := make(chan error, 1)
	go func() { attended <- r.hands.attend(ctx, people, stop) }()
	output, exit := r.Host(ctx, args)
	stop()
	err = <-attended
	done.Output, done.Exit = strings.ReplaceAll(strings.TrimRight(output, " \n"), r.Folder+string(filepath.Separator), ""), exit
	done.Screens = r.hands.shown
	return err
}

// met reports how a step ended otherwise than expected.
func (e Expectation) met(d Done) error {
	if d.Exit != e.Exit {
		return fmt.Errorf("%w: step %s ended with status %d, not %d: %s", ErrDeparted, d.ID, d.Exit, e.Exit, d.Output)
	}
	for _, says := range e.Says {
		if !strings.Contains(d.Output, says) {
			return fmt.Errorf("%w: step %s does not say %q but %q", ErrDeparted, d.ID, says, d.Output)
		}
	}
	return nil
}

// files returns the digests of what a step has made.
func (r *Runner) files(names []string) (made []File, err error) {
	for _, name := range names {
		f, err := digestFile(filepath.Join(r.Folder, name))
		if err != nil {
			return made, fmt.Errorf("%w: there is no %s: %w", ErrDeparted, name, err)
		}
		f.Name = name
		made = append(made, f)
	}
	return made, nil
}

func digestFile(path string) (File, error) {
	file, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer file.Close()
	h := sha256.New()
	size, err := io.Copy(h, file)
	return File{Size: size, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// now returns what the clocks show; the device's is unknown if nobody answers.
func (r *Runner) now(ctx context.Context) Moment {
	k, err := r.Simulator.Clock(ctx)
	m := Moment{Wall: time.Now().UTC().Truncate(time.Millisecond)}
	if err == nil {
		m.Device = k.Time.UTC()
	}
	return m
}

// digest returns that of the device's flash, empty while it is off.
func (r *Runner) digest(ctx context.Context) string {
	d, err := r.Simulator.Digest(ctx)
	if err != nil {
		return ""
	}
	return d.SHA256
}
