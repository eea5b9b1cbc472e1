package main

import (
	"slices"
	"testing"
)

func TestSidesAreComparedRunByRun(t *testing.T) {
	samples := []sample{
		{Node: vudc, Load: "a", Run: 1, Rate: 10},
		{Node: oursTCP, Load: "a", Run: 1, Rate: 20},
		{Node: vudc, Load: "a", Run: 2, Rate: 5},
		{Node: oursTCP, Load: "a", Run: 2, Rate: 20},
		{Node: vudc, Load: "b", Run: 1, Rate: 1000},
		{Node: oursTCP, Load: "a", Run: 3, Rate: 90},
		{Node: vudc, Load: "a", Run: 3, Rate: 30},
	}
	if loads := loadsOf(samples); !slices.Equal(loads, []string{"a", "b"}) {
		t.Errorf("loads %q", loads)
	}
	r := compare(rates(samples, "a", oursTCP), rates(samples, "a", vudc))
	if r.Ours != 20 || r.Theirs != 10 || r.Ratio != 3 { // the runs' ratios are 2, 4 and 3
		t.Errorf("%+v, want medians 20 and 10 and a ratio of 3", r)
	}
	if want := []pair{{20, 10}, {20, 5}, {90, 30}}; !slices.Equal(r.Runs, want) {
		t.Errorf("runs %v, want %v", r.Runs, want)
	}
}
