package parallel_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"usbhsm7/firmware/parallel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachIsDoneOnceAndToldInTurn(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 200} {
		for _, n := range []int{0, 1, 2, 100} {
			times, told := make([]int, n), []int{}
			parallel.For(n, workers, func(i int) { times[i]++ }, func(done int) { told = append(told, done) })
			for i, n := range times {
				if n != 1 {
					t.Errorf("%d workers: %d was done %d times", workers, i, n)
				}
			}
			if len(told) != n || !slices.IsSorted(told) {
				t.Errorf("%d workers, %d: told %v", workers, n, told)
			}
		}
	}
}

func TestNoMoreAreUnderWayThanThereAreWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		parallel.For(10, 4, func(int) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
		}, nil)
		if most.Load() != 4 {
			t.Errorf("%d at a time", most.Load())
		}
	})
}
