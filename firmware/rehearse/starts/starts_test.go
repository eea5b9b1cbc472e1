package starts_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/rehearse/starts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is an update that converts the data of a device with three hundred objects.
func sample(t *testing.T, minutes uint32) starts.Options {
	t.Helper()
	subject, err := starts.Sample(1, minutes)
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := subject.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	return starts.Options{Subject: subject, Prepared: prepared, Seed: 1, Most: 250}
}

func TestNoPowerCutInTheFirstStartCostsAnything(t *testing.T) {
	for name, minutes := range map[string]uint32{"at once": 0, "in half an hour": 30} {
		t.Run(name, func(t *testing.T) {
			o := sample(t, minutes)
			if err := starts.Keeps(t.Context(), o); err != nil {
				t.Error(err)
			}
			r, err := starts.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Failures {
				t.Errorf("%+v", f)
			}
			if r.Operations < 400 || r.Cuts != 125 || r.Again != 125 || !r.Thinned {
				t.Errorf("%+v", r)
			}
			t.Logf("%d operations, %d crash states", r.Operations, r.Tried())
		})
	}
}

func TestPlantedDefectsAreNoticed(t *testing.T) {
	for _, d := range starts.Defects() {
		t.Run(d.Name, func(t *testing.T) {
			o := sample(t, 0)
			o.Defect = &d
			r, err := starts.Run(t.Context(), o)
			if err != nil || len(r.Failures) == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			f := r.Failures[0]
			if f.Rule != d.Rule {
				t.Errorf("%+v", f)
			}
			if again, err := starts.Replay(t.Context(), o, f.Cuts); err != nil || !strings.HasSuffix(again, string(f.Rule)+": "+f.Detail) {
				t.Errorf("%+v: again %q, %v", f, again, err)
			}
			o.Defect = nil
			if again, err := starts.Replay(t.Context(), o, ""); err != nil || again != "" {
				t.Errorf("without it: %q, %v", again, err)
			}
		})
	}
}

func TestSecondCutIsReplayed(t *testing.T) {
	o := sample(t, 0)
	o.Defect = &starts.Defects()[0]
	r, err := starts.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second := slices.IndexFunc(r.Failures, func(f starts.Failure) bool { return strings.Contains(f.Cuts, ";") })
	if second < 0 {
		t.Fatalf("%+v", r.Failures)
	}
	f := r.Failures[second]
	if again, err := starts.Replay(t.Context(), o, f.Cuts); err != nil || again != string(f.Rule)+": "+f.Detail {
		t.Errorf("%+v: again %q, %v", f, again, err)
	}
}

func TestCutsThatAreNoneAreRefused(t *testing.T) {
	o := sample(t, 0)
	for _, cuts := range []string{"nothing", "prog@0x0#1:bits", "prog@0x0#99999:before"} {
		if wrong, err := starts.Replay(t.Context(), o, cuts); !errors.Is(err, flash.ErrCut) || wrong != "" {
			t.Errorf("%q: %q, %v", cuts, wrong, err)
		}
	}
}

func TestSameSeedGivesTheSameResultWhoeverWorks(t *testing.T) {
	o := sample(t, 0)
	o.Most, o.Defect = 100, &starts.Defects()[1]
	one, err := starts.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Workers = 3
	two, err := starts.Run(t.Context(), o)
	if err != nil || !reflect.DeepEqual(one, two) {
		t.Errorf("%+v\n%+v, %v", one, two, err)
	}
}

func TestInterruptedRunSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := sample(t, 0)
	o.Progress = func(int, int) { cancel() }
	if _, err := starts.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
