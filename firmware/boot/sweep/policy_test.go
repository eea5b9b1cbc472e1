package sweep_test

import (
	"testing"

	"usbhsm7/firmware/boot/sweep"
)

// TestAdmissionAgreesWithTheTable asks about every combination.
func TestAdmissionAgreesWithTheTable(t *testing.T) {
	n, wrong := sweep.Policies()
	if n < 10_000 {
		t.Errorf("only %d combinations", n)
	}
	for _, w := range wrong[:min(5, len(wrong))] {
		t.Error(w)
	}
	t.Logf("%d combinations, %d differ", n, len(wrong))
}
