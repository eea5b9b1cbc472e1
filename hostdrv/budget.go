package hostdrv

import (
	"context"
	"sync/atomic"

	"usbhsm7/hostdrv/transport"
)

// budget is how many bytes of large requests may be in flight at once. Those who
// want some are served in the order in which they came, so that a request is not
// starved by smaller ones.
type budget struct {
	turn  chan struct{}   // holds a token while somebody takes or waits to
	given chan struct{}   // holds a token when some were given back
	ended <-chan struct{} // closed when none will be
	left  atomic.Int64    // lowered only in turn
}

func newBudget(bytes int, ended <-chan struct{}) *budget {
	b := &budget{turn: make(chan struct{}, 1), given: make(chan struct{}, 1), ended: ended}
	b.left.Store(int64(bytes))
	return b
}

// take waits for n bytes and takes them. After an error, which is that of ctx
// unless the link has ended, nothing is taken.
func (b *budget) take(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.ended:
		return transport.ErrDisconnected
	}
	defer func() { <-b.turn }()
	for b.left.Load() < int64(n) {
		select {
		case <-b.given:
		case <-ctx.Done():
			return ctx.Err()
		case <-b.ended:
			return transport.ErrDisconnected
		}
	}
	b.left.Add(-int64(n))
	return nil
}

// give gives back n bytes that were taken.
func (b *budget) give(n int) {
	if n == 0 {
		return
	}
	b.left.Add(int64(n))
	select {
	case b.given <- struct{}{}:
	default:
	}
}
