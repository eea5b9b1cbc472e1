package main

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"time"
)

// report is the whole of the output file.
type report struct {
	Commit  string   `json:"commit"`
	Machine string   `json:"machine"`
	Results []result `json:"results"`
}

// result is one comparison.
type result struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	Ours    float64 `json:"ours"` // median
	Against string  `json:"against"`
	Theirs  float64 `json:"theirs"`        // median
	Ratio   float64 `json:"ratio"`         // median of the runs' ratios; above 1 ours is better
	Aim     float64 `json:"aim,omitempty"` // the ratio to reach
	Runs    []pair  `json:"runs"`
}

// pair is one slice of time for each side.
type pair struct {
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs"`
}

// aims are the ratios to reach, by load.
type aims map[string]float64

// comparisons are what is set side by side.
var comparisons = []struct {
	name         string
	ours, theirs int
	aims         aims
}{
	{"tcp", oursTCP, vudc, aims{"control-18/depth=1": 3, "bulk-in-16k/depth=16": 5, "bulk-out-16k/depth=16": 5}},
	{"unix", oursUnix, vudc, aims{"control-18/depth=1": 4, "bulk-in-16k/depth=16": 5, "bulk-out-16k/depth=16": 5}},
	{"tcp", oursTCP, usbipHost, aims{"bulk-in-16k/depth=16": 1.2, "bulk-out-16k/depth=16": 1.2}},
	{"unix", oursUnix, usbipHost, aims{"bulk-in-16k/depth=16": 1.2, "bulk-out-16k/depth=16": 1.2}},
	{"unix", oursUnix, oursTCP, aims{"control-18/depth=1": 1.3, "bulk-in-16k/depth=16": 1.3, "bulk-out-16k/depth=16": 1.3}},
}

const measureLimit = 15 * time.Minute

// measure measures in one guest, and adds to the report.
func (g guest) measure(ctx context.Context, r *report) error {
	ctx, cancel := context.WithTimeout(ctx, measureLimit)
	defer cancel()
	m, peers, err := g.boot(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	samples, err := g.sample(ctx, m, peers)
	if err != nil {
		return err
	}
	r.Machine = fmt.Sprintf("QEMU without KVM on %d processors, Linux %s", runtime.NumCPU(), m.Release)
	fmt.Printf("%-45s %10s %10s %7s %7s\n", r.Machine, "ours", "theirs", "ratio", "aim")
	for _, c := range comparisons {
		for _, load := range loadsOf(samples) {
			x := compare(rates(samples, load, c.ours), rates(samples, load, c.theirs))
			x.Name, x.Against, x.Aim = path.Join(g.name, c.name, load), peers[c.theirs].name, c.aims[load]
			r.Results = append(r.Results, x)
			fmt.Println(x)
		}
	}
	if g.virtual {
		return nil // what is outside of the guest does not go by its clock
	}
	return g.measureUploads(ctx, m, r)
}

// loadsOf returns the loads in the order in which they ran.
func loadsOf(samples []sample) []string {
	var loads []string
	for _, s := range samples {
		if !slices.Contains(loads, s.Load) {
			loads = append(loads, s.Load)
		}
	}
	return loads
}

// rates returns the rates of one peer with one load, run by run.
func rates(samples []sample, load string, node int) []float64 {
	var found []float64
	for _, s := range samples {
		if s.Load == load && s.Node == node {
			found = append(found, s.Rate)
		}
	}
	return found
}

func compare(ours, theirs []float64) result {
	r := result{Unit: "URBs/s", Ours: median(ours), Theirs: median(theirs)}
	var ratios []float64
	for i := range ours {
		r.Runs = append(r.Runs, pair{ours[i], theirs[i]})
		ratios = append(ratios, ours[i]/theirs[i])
	}
	r.Ratio = median(ratios)
	return r
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r result) String() string {
	aim := ""
	if r.Aim > 0 {
		aim = fmt.Sprintf("%.1f", r.Aim)
	}
	return fmt.Sprintf("%-45s %10.0f %10.0f %7.2f %7s   against %s", r.Name, r.Ours, r.Theirs, r.Ratio, aim, r.Against)
}
