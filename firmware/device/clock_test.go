package device_test

import (
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
