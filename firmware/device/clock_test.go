package device_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/device"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c device.Clock
		start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		shows := func(want time.Time) {
			t.Helper()
			if got := c.Now(); !got.Equal(want) {
				t.Errorf("shows %v, want %v", got, want)
			}
		}
		shows(time.Now())
		c.Set(start)
		time.Sleep(time.Second)
		shows(start.Add(time.Second))
		c.Freeze(true)
		time.Sleep(time.Hour)
		shows(start.Add(time.Second))
		c.Advance(time.Minute)
		shows(start.Add(61 * time.Second))
		c.Freeze(false)
		time.Sleep(time.Second)
		shows(start.Add(62 * time.Second))
		c.Advance(-2 * time.Second)
		shows(start.Add(60 * time.Second))
	})
}

func TestAClockThatIsWaitedForFollowsWhatIsDoneToIt(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		do    func(*device.Clock)
		after time.Duration // of real time, a minute is waited for
	}{
		"it runs":                 {func(*device.Clock) {}, time.Minute},
		"it is set forward":       {func(c *device.Clock) { c.Advance(40 * time.Second) }, 20 * time.Second},
		"it is set back":          {func(c *device.Clock) { c.Advance(-time.Minute) }, 2 * time.Minute},
		"it is set past the time": {func(c *device.Clock) { c.Set(start.Add(time.Hour)) }, 0},
		"it is frozen, and goes on": {func(c *device.Clock) {
			c.Freeze(true)
			time.Sleep(time.Hour)
			c.Freeze(false)
		}, time.Hour + time.Minute},
		"it is frozen, and set forward": {func(c *device.Clock) {
			c.Freeze(true)
			time.Sleep(time.Hour)
			c.Advance(time.Minute)
		}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var clock device.Clock
				clock.Set(start)
				began, ended := time.Now(), make(chan time.Time)
				go func() {
					if err := clock.Wait(t.Context(), start.Add(time.Minute)); err != nil {
						t.Error(err)
					}
					ended <- time.Now()
				}()
				synctest.Wait()
				go c.do(&clock)
				if took := (<-ended).Sub(began); took != c.after {
					t.Errorf("it took %v, want %v", took, c.after)
				}
			})
		})
	}
}

func TestWaitingForAFrozenClockEndsWithItsContext(t *testing.T) {
	var clock device.Clock
	clock.Freeze(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := clock.Wait(ctx, clock.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
