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
	Full = Plan{Tears: 4, Recoveries: 1}
)

// Options say what is rehearsed. The zero value of Scenes means all.
type Options struct {
	Rig      Rig
	Plan     Plan
	Seed     uint64 // the same seed gives the same crash states
	Scenes   *regexp.Regexp
	Progress func(done, scenes int, name string) // called when a scene is over; may be nil
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
	r := &Report{Rig: o.Rig.Name, Scenes: len(chosen)}
	var (
		mu   sync.Mutex // guards r, done and errs
		done int
		errs []error
		all  sync.WaitGroup
	)
	queue := make(chan *Scene, len(chosen))
	for i := range chosen {
		queue <- &chosen[i]
	}
	close(queue)
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for scene := range queue {
				s := &sweep{rig: o.Rig, plan: o.Plan, seed: o.Seed, verdict: verdict{scene: scene}}
				err := s.play(stages)
				mu.Lock()
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", scene.Name, err))
				}
				done++
				r.CrashStates += s.states
				r.Faults = append(r.Faults, s.faults...)
				if o.Progress != nil {
					o.Progress(done, len(chosen), scene.Name)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	r.Took = time.Since(begin)
	return r, errors.Join(errs...)
}

func choose(pattern *regexp.Regexp) (chosen []Scene) {
	for _, s := range Scenes() {
		if pattern == nil || pattern.MatchString(s.Name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}
