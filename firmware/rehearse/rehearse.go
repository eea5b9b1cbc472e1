package rehearse

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"usbhsm7/firmware/parallel"
)

// Plan says how much is cut.
type Plan struct {
	Tears      int // ways in which an operation is torn, of each of two kinds
	Recoveries int // cuts, one after the other, while the device recovers
}

// Plans.
var (
	Fast = Plan{Tears: 1}
	Full = Plan{Tears: 2, Recoveries: 1}
)

// Options say what is rehearsed. The zero value of Scenes means all.
type Options struct {
	Rig    Rig
	Plan   Plan
	Seed   uint64 // the same seed gives the same crash states
	Scenes *regexp.Regexp
	// Progress is called when a scene is over, one call at a time, with how many
	// are and how many crash states it had; may be nil.
	Progress func(done, scenes int, name string, states int)
}

// Report is what a rehearsal found.
type Report struct {
	Rig         string
	Scenes      int
	CrashStates int
	Took        time.Duration
	Faults      []Fault
}

// Count returns how many faults are of a kind.
func (r *Report) Count(kind Kind) (n int) {
	for _, f := range r.Faults {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// Run plays the scenes, one for each processor at a time. The error tells that a
// scene could not be played; what the judge finds is in the report.
func Run(o Options) (*Report, error) {
	begin := time.Now()
	stages, err := newStages(Core(), o.Seed)
	if err != nil {
		return nil, err
	}
	chosen := choose(o.Scenes)
	r := &run{options: o, stages: stages, sweeps: make([]*sweep, len(chosen))}
	for i := range chosen {
		r.sweeps[i] = &sweep{rig: o.Rig, plan: o.Plan, seed: o.Seed, verdict: verdict{scene: &chosen[i]}}
	}
	parallel.For(len(chosen), 0, func(i int) { r.play(r.sweeps[i]) }, nil)
	return r.report(time.Since(begin)), errors.Join(r.errs...)
}

// run is a rehearsal under way.
type run struct {
	options Options
	stages  *stages
	sweeps  []*sweep // one for each scene

	mu   sync.Mutex // guards what follows
	done int
	errs []error
}

// play plays one scene.
func (r *run) play(s *sweep) {
	err := s.play(r.stages)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", s.scene.Name, err))
	}
	r.done++
	if r.options.Progress != nil {
		r.options.Progress(r.done, len(r.sweeps), s.scene.Name, s.states)
	}
}

// report adds up what was found, in the order of the scenes, whichever was over first.
func (r *run) report(took time.Duration) *Report {
	found := &Report{Rig: r.options.Rig.Name, Scenes: len(r.sweeps), Took: took}
	for _, s := range r.sweeps {
		found.CrashStates += s.states
		found.Faults = append(found.Faults, s.faults...)
	}
	return found
}

func choose(pattern *regexp.Regexp) (chosen []Scene) {
	for _, s := range Scenes() {
		if pattern == nil || pattern.MatchString(s.Name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}
