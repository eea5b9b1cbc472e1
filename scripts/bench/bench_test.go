package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestComparisonTakesTheMedianOfTheRunsRatios(t *testing.T) {
	calls := 0
	slow := load{units: 2, do: func(int) error { calls++; return nil }}
	r, err := comparison{name: "c", aim: 0.5, ours: slow, theirs: slow}.measure(plan{runs: 3, slice: time.Millisecond})
	if err != nil || len(r.Runs) != 3 || calls == 0 {
		t.Fatalf("%+v, %v, %d calls", r, err, calls)
	}
	var ratios []float64
	for _, pair := range r.Runs {
		ratios = append(ratios, pair.Ours/pair.Theirs)
	}
	if r.Ratio != median(ratios) || r.Latencies != nil {
		t.Errorf("ratio %v of %v, latencies %v", r.Ratio, ratios, r.Latencies)
	}
}

func TestComparisonEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	bad := load{callers: 3, do: func(caller int) error {
		if caller == 1 {
			return broken
		}
		return nil
	}}
	good := load{do: func(int) error { return nil }}
	for _, c := range []comparison{{ours: bad, theirs: good}, {ours: good, theirs: bad}} {
		if _, err := c.measure(plan{runs: 1, slice: time.Millisecond}); !errors.Is(err, broken) {
			t.Errorf("%v, want %v", err, broken)
		}
	}
}

func TestCeilingIsInOurFavourBelowTheLimit(t *testing.T) {
	for figure, ratio := range map[float64]float64{0: mostRatio, 0.5: 2, 1: 1, 4: 0.25} {
		r, err := ceiling{limit: 1, figure: func(plan) (float64, error) { return figure, nil }}.measure(plan{runs: 2})
		if err != nil || r.Ratio != ratio {
			t.Errorf("figure %v of 1: ratio %v, %v; want %v", figure, r.Ratio, err, ratio)
		}
	}
}

func TestPercentilesAreOfTheSortedTimes(t *testing.T) {
	var took []time.Duration
	for i := range 1000 {
		took = append(took, time.Duration((i*7)%1000)*time.Microsecond)
	}
	if p := percentilesOf(took); p.P50 != 500 || p.P99 != 990 {
		t.Errorf("%+v, want 500 and 990", p)
	}
	if percentilesOf(nil) != nil {
		t.Error("percentiles of nothing")
	}
}

func TestFiguresReplaceTheBlockOfADocument(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.md")
	before := "before\n<!-- generated: figures -->\nold\n<!-- end -->\nafter\n"
	if err := os.WriteFile(name, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	r := report{Machine: "abacus", Results: []result{{
		Name: "a/b", Unit: "beads", Against: "fingers", Ours: 1234567, Theirs: 0.5, Ratio: 1.257, Aim: 0.85,
		Latencies: &latencies{Ours: &percentiles{P50: 12, P99: 345}},
	}}}
	if err := r.writeFigures(name); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := "| `a/b` | beads | fingers | 1,234,567 | 0.5 | 1.26 | 0.85 | 12, 345 |\n<!-- end -->\nafter\n"
	if text := string(after); !strings.HasPrefix(text, "before\n") || !strings.HasSuffix(text, want) || strings.Contains(text, "old") {
		t.Errorf("%s\nwant an end like\n%s", text, want)
	}
	if err := os.WriteFile(name, []byte("no block"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.writeFigures(name); err == nil {
		t.Error("no error for a document without a block")
	}
}
