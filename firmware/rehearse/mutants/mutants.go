package mutants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
)

// Options say what is tried.
type Options struct {
	Subject sweep.Subject
	Trust   fuf.Trust // as the host has it
	Other   []byte    // another genuine file, to be mixed with the first; nil = none
	Head    int       // of the bits of the head, one in so many is tried; 0 means all
	Every   int       // of the bits of chunks and of the lengths, one in so many is tried; 0 means all
	Defect  *Defect   // planted in the verifier, and then Other is left out; nil = none
	Workers int       // 0 = as many as there are processors

	// Progress is called now and then with how much is done, of how much. May be nil.
	Progress func(done, total int)
}

// Result is what came of it. It follows from the options, but for Workers and
// Progress.
type Result struct {
	Tried    int            `json:"tried"`
	Accepted int            `json:"accepted"`
	Writes   int            `json:"flash_writes_before_auth"` // operations on the flash for the sake of files that were refused
	Families []Family       `json:"families"`
	Reasons  map[string]int `json:"reasons"` // why they were refused
	Failures []Failure      `json:"failures"`
}

// Family is how many mutants of a kind were tried.
type Family struct {
	Name  string `json:"name"`
	Tried int    `json:"tried"`
}

// Failure is a mutant that was taken, or that cost a write.
type Failure struct {
	Family string `json:"family"` // kind of the mutant, as in Result.Families
	Mutant string `json:"mutant"` // its name, for Replay
	Detail string `json:"detail"`
}

// maxFailures bounds the failures that are kept of one part of the work.
const maxFailures = 4

// family is a kind of mutants, divided into parts that are worked on by themselves.
type family struct {
	name  string
	parts []iter.Seq2[string, []byte]
}

// ErrName reports a name that no mutant has.
var ErrName = errors.New("there is no such mutant")

// Run tries all mutants. The error tells that they could not be tried, or is that of
// ctx; what is wrong with the device is in the result.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Defect != nil {
		o.Other = nil
	}
	all, err := families(o)
	if err != nil {
		return nil, err
	}
	var queue []job
	for i, f := range all {
		for _, part := range f.parts {
			queue = append(queue, job{family: i, mutants: part})
		}
	}
	if err := work(ctx, o, queue); err != nil {
		return nil, err
	}
	r := &Result{Reasons: map[string]int{}, Failures: []Failure{}}
	for i, f := range all {
		r.Families = append(r.Families, Family{Name: f.name})
		for _, j := range queue {
			if j.family == i {
				r.add(i, j.tally)
			}
		}
	}
	return r, nil
}

func (r *Result) add(family int, t tally) {
	r.Families[family].Tried += t.tried
	r.Tried += t.tried
	r.Accepted += t.accepted
	r.Writes += t.writes
	for _, f := range t.failures {
		f.Family = r.Families[family].Name
		r.Failures = append(r.Failures, f)
	}
	for reason, n := range t.reasons {
		r.Reasons[string(reason)] += n
	}
}

// job is a part of the work, and what came of it.
type job struct {
	family  int
	mutants iter.Seq2[string, []byte]
	tally   tally
}

// tally counts what came of some mutants.
type tally struct {
	tried, accepted, writes int
	reasons                 map[fuf.Reason]int
	failures                []Failure
}

// work does the jobs, each worker with a bench of its own.
func work(ctx context.Context, o Options, queue []job) error {
	next := make(chan *job, len(queue))
	for i := range queue {
		next <- &queue[i]
	}
	close(next)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex // guards what follows
		done int
		errs []error
	)
	for range cmp.Or(o.Workers, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			b, err := newBench(o)
			for j := range next {
				if err == nil && ctx.Err() == nil {
					err = b.try(j)
				}
				mu.Lock()
				done++
				if o.Progress != nil {
					o.Progress(done, len(queue))
				}
				mu.Unlock()
			}
			if b != nil {
				b.close()
			}
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
		})
	}
	all.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// Replay tries one mutant by its name again, and returns what is wrong, empty if
// nothing is. The error carries ErrName if there is no such mutant.
func Replay(o Options, name string) (string, error) {
	o.Head, o.Every = 0, 0
	mutant, err := find(o, name)
	if err != nil {
		return "", err
	}
	b, err := newBench(o)
	if err != nil {
		return "", err
	}
	defer b.close()
	j := &job{mutants: func(yield func(string, []byte) bool) { yield(name, mutant) }}
	if err := b.try(j); err != nil || len(j.tally.failures) == 0 {
		return "", err
	}
	return j.tally.failures[0].Detail, nil
}

// find makes a mutant by its name.
func find(o Options, name string) ([]byte, error) {
	var at, bit int
	if n, _ := fmt.Sscanf(name, "flip:%d.%d", &at, &bit); n == 2 && at >= 0 && at < len(o.Subject.File) {
		for found, mutant := range fuftest.FlipsIn(o.Subject.File, at, at+1) {
			if found == name {
				return mutant, nil
			}
		}
	}
	all, err := families(o)
	if err != nil {
		return nil, err
	}
	for _, f := range all[1:] {
		for _, part := range f.parts {
			for found, mutant := range part {
				if found == name {
					return mutant, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrName, name)
}
