package main

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// load is one side of a comparison.
type load struct {
	callers int                    // goroutines that call do at the same time; 0 means 1
	units   float64                // what one call counts for; 0 means 1, and that one call is one operation
	do      func(caller int) error // caller counts from 0
}

// benchCase is one entry of the report.
type benchCase interface {
	title() string
	measure(plan) (result, error)
}

// comparison measures two rates: more is better.
type comparison struct {
	name    string
	unit    string // of the figures: what happens how often in a second
	against string
	aim     float64 // the ratio to reach; 0 = none
	ours    load
	theirs  load
}

// result is one entry of the report as it is written.
type result struct {
	Name      string     `json:"name"`
	Unit      string     `json:"unit"`
	Ours      float64    `json:"ours"` // median
	Against   string     `json:"against"`
	Theirs    float64    `json:"theirs"`        // median
	Ratio     float64    `json:"ratio"`         // median of the runs' ratios; above 1 ours is better
	Aim       float64    `json:"aim,omitempty"` // the ratio to reach
	Latencies *latencies `json:"latencies,omitempty"`
	Runs      []pairRun  `json:"runs"`
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

func (c comparison) title() string { return c.name }

// measure runs both sides in turn. The first pair warms up and is not counted.
func (c comparison) measure(p plan) (result, error) {
	r := result{Name: c.name, Unit: c.unit, Against: c.against, Aim: c.aim}
	var ratios []float64
	var took [2][]time.Duration
	for i := range p.runs + 1 {
		ours, err := p.run(c.ours)
		if err != nil {
			return r, err
		}
		theirs, err := p.run(c.theirs)
		if err != nil {
			return r, err
		}
		if i == 0 {
			continue
		}
		r.Runs = append(r.Runs, pairRun{ours.rate, theirs.rate})
		ratios = append(ratios, ours.rate/theirs.rate)
		took[0], took[1] = append(took[0], ours.took...), append(took[1], theirs.took...)
	}
	r.Ratio = median(ratios)
	r.medians()
	r.Latencies = newLatencies(took)
	return r, nil
}

// medians fills in the figures of both sides.
func (r *result) medians() {
	var ours, theirs []float64
	for _, pair := range r.Runs {
		ours, theirs = append(ours, pair.Ours), append(theirs, pair.Theirs)
	}
	r.Ours, r.Theirs = median(ours), median(theirs)
}

// outcome is what a load did in one slice of time.
type outcome struct {
	rate float64         // units a second
	took []time.Duration // each call, in order, where one call is one operation
}

// run runs l for one slice.
func (p plan) run(l load) (outcome, error) {
	var (
		callers = max(l.callers, 1)
		counts  = make([]int, callers)
		took    = make([][]time.Duration, callers)
		errs    = make([]error, callers)
		start   = time.Now()
		all     sync.WaitGroup
	)
	for i := range callers {
		all.Go(func() {
			for before := start; errs[i] == nil && before.Sub(start) < p.slice; counts[i]++ {
				errs[i] = l.do(i)
				after := time.Now()
				if l.units == 0 {
					took[i] = append(took[i], after.Sub(before))
				}
				before = after
			}
		})
	}
	all.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	units := float64(total)
	if l.units != 0 {
		units *= l.units
	}
	return outcome{units / time.Since(start).Seconds(), slices.Concat(took...)}, errors.Join(errs...)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
