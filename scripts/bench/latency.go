package main

import (
	"slices"
	"time"
)

// latencies tell how long single operations took, in microseconds, over all
// runs of a comparison. A side is nil where a call is more than one operation.
type latencies struct {
	Ours   *percentiles `json:"ours,omitempty"`
	Theirs *percentiles `json:"theirs,omitempty"`
}

// percentiles of the time that an operation took, in microseconds.
type percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// newLatencies sums up what both sides took, nil if neither is known.
func newLatencies(took [2][]time.Duration) *latencies {
	l := latencies{percentilesOf(took[0]), percentilesOf(took[1])}
	if l.Ours == nil && l.Theirs == nil {
		return nil
	}
	return &l
}

func percentilesOf(took []time.Duration) *percentiles {
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	at := func(hundredths int) float64 {
		return float64(took[len(took)*hundredths/100].Nanoseconds()) / 1000
	}
	return &percentiles{P50: at(50), P99: at(99)}
}

// tail measures how far the slowest operations are from the usual one.
type tail struct {
	name  string
	limit float64 // of p99, in multiples of p50
	ours  load    // one call is one operation
}

func (t tail) title() string { return t.name }

func (t tail) measure(p plan) (result, error) {
	var took [2][]time.Duration
	r, err := ceiling{
		name: t.name, unit: "times p50", against: "what is allowed", limit: t.limit,
		figure: func(p plan) (float64, error) {
			o, err := p.run(t.ours)
			if err != nil {
				return 0, err
			}
			took[0] = append(took[0], o.took...)
			l := percentilesOf(o.took)
			return l.P99 / l.P50, nil
		},
	}.measure(p)
	r.Latencies = newLatencies(took)
	return r, err
}
