package main

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is one side of a comparison.
type load struct {
	callers int                    // goroutines that call do at the same time; 0 means 1
	units   float64                // what one call counts for; 0 means 1
	do      func(caller int) error // caller counts from 0
}

// benchCase is one comparison.
type benchCase struct {
	name    string
	unit    string // of the figures: what happens how often in a second
	against string
	ours    load
	theirs  load
}

// result is one comparison as it is written to the report.
type result struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Ours    float64   `json:"ours"` // median
	Against string    `json:"against"`
	Theirs  float64   `json:"theirs"` // median
	Ratio   float64   `json:"ratio"`  // median of the runs' ratios; above 1 ours is better
	Runs    []pairRun `json:"runs"`
}

// pairRun is one slice of time for each side.
type pairRun struct {
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs"`
}

// plan says how long and how often.
type plan struct {
	runs  int
	slice time.Duration
}

// measure runs both sides in turn. The first pair warms up and is not counted.
func (p plan) measure(c benchCase) (result, error) {
	r := result{Name: c.name, Unit: c.unit, Against: c.against}
	var ours, theirs, ratios []float64
	for i := range p.runs + 1 {
		var pair pairRun
		var err error
		if pair.Ours, err = p.rate(c.ours); err != nil {
			return r, err
		}
		if pair.Theirs, err = p.rate(c.theirs); err != nil {
			return r, err
		}
		if i == 0 {
			continue
		}
		r.Runs = append(r.Runs, pair)
		ours, theirs = append(ours, pair.Ours), append(theirs, pair.Theirs)
		ratios = append(ratios, pair.Ours/pair.Theirs)
	}
	r.Ours, r.Theirs, r.Ratio = median(ours), median(theirs), median(ratios)
	return r, nil
}

// rate counts what l does in a slice of time, in units a second.
func (p plan) rate(l load) (float64, error) {
	var (
		callers = max(l.callers, 1)
		units   = max(l.units, 1)
		count   atomic.Int64
		errs    = make([]error, callers)
		start   = time.Now()
		all     sync.WaitGroup
	)
	for i := range callers {
		all.Go(func() {
			for errs[i] == nil && time.Since(start) < p.slice {
				if errs[i] = l.do(i); errs[i] == nil {
					count.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(count.Load()) * units / time.Since(start).Seconds(), errors.Join(errs...)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
