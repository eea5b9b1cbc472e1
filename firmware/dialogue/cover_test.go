package dialogue

import (
	"context"
	"time"
)

// stopped is a clock that stands still.
type stopped struct{}

func (stopped) Now() time.Time { return time.Unix(1_900_000_000, 0) }

func (stopped) Wait(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }
