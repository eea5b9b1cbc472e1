package rehearse

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"sync"
	"time"
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
	r := &run{options: o, stages: stages, scenes: len(chosen), report: Report{Rig: o.Rig.Name, Scenes: len(chosen)}}
	queue := make(chan *Scene, len(chosen))
	for i := range chosen {
		queue <- &chosen[i]
	}
	close(queue)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for scene := range queue {
				r.play(scene)
			}
		})
	}
	all.Wait()
	r.report.Took = time.Since(begin)
	return &r.report, errors.Join(r.errs...)
}

// run is a rehearsal under way.
type run struct {
	options Options
	stages  *stages
	scenes  int

	mu     sync.Mutex // guards what follows
	done   int
	report Report
	errs   []error
}

// play plays one scene and adds what it finds.
func (r *run) play(scene *Scene) {
	s := &sweep{rig: r.options.Rig, plan: r.options.Plan, seed: r.options.Seed, verdict: verdict{scene: scene}}
	err := s.play(r.stages)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", scene.Name, err))
	}
	r.done++
	r.report.CrashStates += s.states
	r.report.Faults = append(r.report.Faults, s.faults...)
	if r.options.Progress != nil {
		r.options.Progress(r.done, r.scenes, scene.Name, s.states)
	}
}

func choose(pattern *regexp.Regexp) (chosen []Scene) {
	for _, s := range Scenes() {
		if pattern == nil || pattern.MatchString(s.Name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}
