package boot_test

import (
	"errors"
	"sync"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/fuf"
)

// TestHostsThatSendAtOnce has several hosts send the chunks of two updates while
// others begin and give up: whatever is refused is refused because the upload is
// another one, and the last upload comes to its end.
func TestHostsThatSendAtOnce(t *testing.T) {
	u := newUnit(t)
	updates := []*boottest.Update{newUpdate(t, v793, 2), newUpdate(t, v794, 2)}
	var hosts sync.WaitGroup
	for host := range 4 {
		mine := updates[host%2]
		hosts.Go(func() {
			for range 20 {
				var steps []error
				steps = append(steps, u.Begin(mine.Head, boottest.Code, facts()))
				for i, chunk := range mine.Chunks {
					steps = append(steps, u.Chunks(i, chunk))
				}
				if host == 3 {
					steps = append(steps, u.Abort())
				}
				for _, err := range steps {
					if err != nil && !isRefusal(err) {
						t.Errorf("host %d: %v", host, err)
					}
				}
			}
		})
	}
	hosts.Wait()
	u.must(updates[0].Upload(u.Boot), u.Activate())
	u.powerCycle()
	u.runs(v793, boot.Trial)
}

// isRefusal reports whether a host was refused, rather than anything having failed.
func isRefusal(err error) bool {
	var reason boot.Reason
	return errors.As(err, &reason) || errors.Is(err, fuf.ErrChunk)
}
