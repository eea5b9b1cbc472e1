package sweep_test

import (
	"testing"

	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/flash"
)

// TestSampleOfCutsHasEveryOutcome samples operations that have as many outcomes each.
func TestSampleOfCutsHasEveryOutcome(t *testing.T) {
	for _, plan := range []sweep.Plan{{Tears: 1}, {Tears: 2}} {
		for _, kind := range []flash.Kind{flash.ProgramPage, flash.EraseBlock} {
			outcomes := len(plan.Outcomes(flash.Operation{Kind: kind}, 1))
			for n := range 100 {
				stride, tried := sweep.Stride(n), map[int]bool{}
				for at := 0; at < 1000*outcomes; at += stride {
					tried[at%outcomes] = true
				}
				if stride < n || len(tried) < outcomes {
					t.Errorf("one in %d: stride %d tries %d of %d outcomes", n, stride, len(tried), outcomes)
				}
			}
		}
	}
}
