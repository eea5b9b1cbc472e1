package hostdrv

import (
	"slices"
	"testing"
)

// TestChunksInARowShareARequest in the order of their numbers, up to a limit.
func TestChunksInARowShareARequest(t *testing.T) {
	row := func(from, to uint) (chunks []uint) {
		for i := from; i < to; i++ {
			chunks = append(chunks, i)
		}
		return chunks
	}
	for name, test := range map[string]struct {
		missing []uint
		runs    [][]uint
	}{
		"one":               {[]uint{7}, [][]uint{{7}}},
		"a row":             {row(0, 5), [][]uint{row(0, 5)}},
		"as many as may":    {row(3, 19), [][]uint{row(3, 19)}},
		"more than may":     {row(3, 21), [][]uint{row(3, 19), row(19, 21)}},
		"some are there":    {[]uint{0, 1, 3, 5, 6}, [][]uint{{0, 1}, {3}, {5, 6}}},
		"every other":       {[]uint{1, 3, 5}, [][]uint{{1}, {3}, {5}}},
		"a gap at the edge": {slices.Concat(row(0, 16), row(17, 18)), [][]uint{row(0, 16), {17}}},
	} {
		t.Run(name, func(t *testing.T) {
			next := make(chan []uint, len(test.missing))
			feed(t.Context(), next, test.missing)
			var runs [][]uint
			for run := range next {
				runs = append(runs, run)
			}
			if !slices.EqualFunc(runs, test.runs, slices.Equal) {
				t.Errorf("%v are sent as %v", test.missing, runs)
			}
		})
	}
}
