package touchscreen_test

import (
	"testing"

	"usbhsm7/touchscreen"
)

func TestKindsHaveNamesThatLeadBack(t *testing.T) {
	for k := touchscreen.Home; k <= touchscreen.Off; k++ {
		if got, ok := touchscreen.ParseKind(k.String()); !ok || got != k {
			t.Errorf("%v leads to %v", k, got)
		}
	}
	if _, ok := touchscreen.ParseKind("rabbit"); ok {
		t.Error("there is a kind of screen called rabbit")
	}
}
