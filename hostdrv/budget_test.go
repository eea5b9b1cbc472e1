package hostdrv

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"usbhsm7/hostdrv/transport"
)

// A large request is served before smaller ones that came later, which would fit.
func TestTheBudgetIsServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10, nil)
		if err := b.take(t.Context(), 6); err != nil {
			t.Fatal(err)
		}
		served := make(chan int, 2)
		take := func(n int) {
			if err := b.take(t.Context(), n); err != nil {
				t.Error(err)
			}
			served <- n
		}
		for _, n := range []int{8, 2} {
			go take(n)
			synctest.Wait()
		}
		if len(served) != 0 {
			t.Fatalf("%d bytes were given while 4 of 10 were left", <-served)
		}
		b.give(6)
		synctest.Wait()
		if first, second := <-served, <-served; first != 8 || second != 2 {
			t.Errorf("%d were given before %d", first, second)
		}
	})
}

func TestWaitingForTheBudgetEnds(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx   context.Context
		ended chan struct{}
		want  error
	}{
		"with the link":        {t.Context(), ended, transport.ErrDisconnected},
		"with the caller":      {cancelled, nil, context.Canceled},
		"when there is enough": {t.Context(), nil, nil},
	} {
		b := newBudget(10, tt.ended)
		size := 11
		if tt.want == nil {
			size = 10
		}
		if err := b.take(tt.ctx, size); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		b.give(0)
		if left := b.left.Load(); tt.want != nil && left != 10 {
			t.Errorf("%s: %d are left of 10", name, left)
		}
	}
}
