package main

import (
	"context"
	"errors"
	"testing"

	"usbhsm7/firmware/control"
)

// Whoever waits for a screen in vain is told what was shown instead, however soon
// their time is over.
func TestWaitingForAScreenInVainTellsWhatIsShown(t *testing.T) {
	for _, test := range []struct {
		id   string
		sees []string // screens, and then the time is over
		want string
	}{
		{"identify/blank", nil, "wait for the screen identify/blank, before any is seen: context deadline exceeded"},
		{"identify/blank", []string{"home"}, "wait for the screen identify/blank, while home is shown: context deadline exceeded"},
		{"identify/blank", []string{"home", "menu/main"}, "wait for the screen identify/blank, while menu/main is shown: context deadline exceeded"},
		{"", nil, "wait for the screen that is shown, before any is seen: context deadline exceeded"},
	} {
		look := func(_ context.Context, number uint64) (control.Screen, error) {
			if number == uint64(len(test.sees)) {
				return control.Screen{}, context.DeadlineExceeded
			}
			return control.Screen{Number: number + 1, ID: test.sees[number]}, nil
		}
		if _, err := awaitScreen(t.Context(), look, test.id); !errors.Is(err, context.DeadlineExceeded) || err.Error() != test.want {
			t.Errorf("%q after %q: %v, want %s", test.id, test.sees, err, test.want)
		}
	}
}

func TestWaitingForAScreenEndsWhenItIsShown(t *testing.T) {
	screens := []string{"home", "menu/main", "menu/ikeys"}
	look := func(_ context.Context, number uint64) (control.Screen, error) {
		return control.Screen{Number: number + 1, ID: screens[number]}, nil
	}
	for id, want := range map[string]uint64{"": 1, "home": 1, "menu/main": 2, "menu/ikeys": 3} {
		if s, err := awaitScreen(t.Context(), look, id); err != nil || s.Number != want {
			t.Errorf("%q: screen %d, %v, want %d", id, s.Number, err, want)
		}
	}
}
