package hostdrv

import (
	"context"
	"fmt"
	"time"
)

// followInterval is how often a device that has left the bus is looked for.
const followInterval = 50 * time.Millisecond

// Follow waits until a device that was told to restart has left the bus, and then
// until it is back and answers: sessions opened before are lost. Only a Device made
// by Dial can follow. It may take over events that somebody else waits for.
func (d *Device) Follow(ctx context.Context) error {
	var err error
	for err == nil { // until the link ends
		_, err = d.NextEvent(ctx)
	}
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		if err = d.Reconnect(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the device has left the bus and is not back: %w", err)
		}
	}
}
