// Package parallel does pieces of work side by side that have nothing to do with each
// other.
//
//	results := make([]result, len(cases))
//	parallel.For(len(cases), 0, func(i int) { results[i] = try(cases[i]) }, nil)
package parallel

import (
	"runtime"
	"sync"
)

// For calls do with each number from 0 to n-1, on so many goroutines; workers = 0 means
// as many as there are processors. It returns when all are over. After each, progress is
// called with how many are, one call at a time; it may be nil.
func For(n, workers int, do func(i int), progress func(done int)) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	queue := make(chan int, n)
	for i := range n {
		queue <- i
	}
	close(queue)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex // guards done
		done int
	)
	for range min(workers, n) {
		all.Go(func() {
			for i := range queue {
				do(i)
				mu.Lock()
				if done++; progress != nil {
					progress(done)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
}
