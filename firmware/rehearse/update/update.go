package update

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/rehearse/report"
	"usbhsm7/fuf"
)

// Depth is how much is tried.
type Depth string

// Depths.
const (
	Quick Depth = "quick" // what would take long is tried in part
	Full  Depth = "full"  // everything
)

// Options say what is rehearsed.
type Options struct {
	Tool    string // version of the program, for the report
	File    string // name of the file, for the report
	Device  string // name of the device, for the report
	Subject sweep.Subject
	Trust   fuf.Trust
	Seed    uint64
	Depth   Depth
	Phases  []string // names of those that are wanted; nil = all

	// Reproduce returns the command that replays a token.
	Reproduce func(token string) string

	// Progress is called now and then with how much of a phase is done. May be nil.
	Progress func(title string, done, total int)
}

// ErrPhase reports a phase that there is not.
var ErrPhase = errors.New("there is no such phase")

// phase is a way to try the update. Run adds what was tried and found to p, whose
// failures have tokens without the name of the phase.
type phase struct {
	name, title, unit string
	needs             bool // that the device takes the file
	run               func(context.Context, *rehearsal, *report.Phase) error
	replay            func(ctx context.Context, r *rehearsal, token string) ([]string, error)
}

// phases lists them in the order in which they come.
func phases() []phase {
	return []phase{
		{"admission", "Does the device take the update?", "conditions", false, admit, replayAdmission},
		{"cuts", "The power fails", "crash states", true, cutPower, replayCut},
		{"start", "The power fails in the first start", "crash states", true, start, replayStart},
		{"mutants", "The file is damaged or forged", "mutants", true, spoil, replayMutant},
		{"transfers", "A transfer over USB goes wrong", "cases", true, disturb, replayTransfer},
		{"policies", "The update or the device is not what it should be", "combinations", false, combine, replayCombination},
	}
}

// Phases returns the names of the phases.
func Phases() (names []string) {
	for _, p := range phases() {
		names = append(names, p.name)
	}
	return names
}

// rehearsal is one under way.
type rehearsal struct {
	Options
	cuts    *sweep.Rehearsal // nil: the device refuses the file
	refused error            // why
}

func prepare(o Options) *rehearsal {
	r := &rehearsal{Options: o}
	r.cuts, r.refused = o.Subject.Prepare()
	return r
}

// Run rehearses. The error tells that the rehearsal could not be held, such as a
// sweep.ErrSubject, or is that of ctx; what is wrong with the update or the device is
// in the report.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	out, err := describe(o)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(o.Phases)
	if err != nil {
		return nil, err
	}
	r := prepare(o)
	if errors.Is(r.refused, sweep.ErrSubject) {
		return nil, r.refused
	}
	for _, p := range chosen {
		found := report.Phase{
			Name: p.name, Title: p.title, Unit: p.unit,
			Cases: []report.Case{}, Tables: []report.Table{}, Notes: []string{}, Failures: []report.Failure{},
		}
		if p.needs && r.refused != nil {
			found.Skipped = "The device refuses the file, so there is nothing to try."
		} else if err := p.run(ctx, r, &found); err != nil {
			return nil, fmt.Errorf("rehearse %s: %w", p.name, err)
		}
		r.complete(p.name, &found)
		out.Add(found)
	}
	return out, nil
}

// complete gives each failure its whole token, and the command that replays it.
func (r *rehearsal) complete(phase string, p *report.Phase) {
	for i := range p.Failures {
		f := &p.Failures[i]
		f.Token = phase + "/" + f.Token
		if r.Reproduce != nil {
			f.Reproduce = r.Reproduce(f.Token)
		}
	}
}

func choose(names []string) ([]phase, error) {
	if names == nil {
		return phases(), nil
	}
	var chosen []phase
	for _, name := range names {
		p, err := find(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func find(name string) (phase, error) {
	for _, p := range phases() {
		if p.name == name {
			return p, nil
		}
	}
	return phase{}, fmt.Errorf("%w: %q; there are %s", ErrPhase, name, strings.Join(Phases(), ", "))
}

// Replay tries again what a token names, and returns what is wrong, nothing if it
// holds.
func Replay(ctx context.Context, o Options, token string) ([]string, error) {
	name, rest, _ := strings.Cut(token, "/")
	p, err := find(name)
	if err != nil {
		return nil, err
	}
	r := prepare(o)
	if p.needs && r.refused != nil {
		return nil, r.refused
	}
	return p.replay(ctx, r, rest)
}

// describe begins a report.
func describe(o Options) (*report.Report, error) {
	sum := sha256.Sum256(o.Subject.File)
	digest := o.Subject.Chip.Digest()
	r := &report.Report{
		Schema: report.Schema, Tool: o.Tool, Seed: o.Seed, Depth: string(o.Depth),
		File:   report.File{Name: o.File, SHA256: hex.EncodeToString(sum[:]), Bytes: len(o.Subject.File)},
		Device: report.Device{Name: o.Device, Digest: hex.EncodeToString(digest[:]), Model: o.Subject.Model},
	}
	if draft, err := fuf.ParseDraft(o.Subject.File); err == nil {
		release := draft.Manifest.Release
		r.File.Product, r.File.Version, r.File.SecurityVersion = release.Product, release.Version.String(), release.SecurityVersion
	}
	status, err := statusOf(o.Subject)
	if err != nil {
		return nil, fmt.Errorf("the device does not start even without an update: %w", err)
	}
	r.Device.Firmware, r.Device.Security = status.Running.String(), status.Security
	if status.Rollback != nil {
		r.Device.Rollback = status.Rollback.Version.String()
	}
	return r, nil
}

// statusOf switches the bootloader on, on a clone, and looks.
func statusOf(s sweep.Subject) (boot.Status, error) {
	_, region, err := boot.Divide(s.Chip.Clone())
	if err != nil {
		return boot.Status{}, err
	}
	b, err := boot.Open(region, s.Config)
	if err != nil {
		return boot.Status{}, err
	}
	defer b.Close()
	return b.Status()
}
