package mutants_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/rehearse/mutants"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func file(t *testing.T, size int, content uint64) []byte {
	t.Helper()
	m := boottest.Image(fuf.V(7, 9, 3), 2, size, content)
	file, err := boottest.SignImage(m, boottest.Release(m))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func options(t *testing.T) mutants.Options {
	t.Helper()
	chip, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	o := mutants.Options{
		Subject: sweep.Subject{
			Config: boottest.Config(), Chip: chip,
			Facts: boot.Facts{FreePercent: 100}, File: file(t, 20_000, 1), Code: boottest.Code,
		},
		Trust: testkeys.Trust(), Other: file(t, 20_000, 2), Head: 31, Every: 101,
	}
	return o
}

func TestNoMutantIsTakenOrCostsAWrite(t *testing.T) {
	o := options(t)
	r, err := mutants.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Accepted > 0 || r.Writes > 0 || len(r.Failures) > 0 {
		t.Errorf("%+v", r)
	}
	for _, f := range r.Families {
		if f.Tried == 0 {
			t.Errorf("%s: none", f.Name)
		}
	}
	t.Logf("%d mutants: %v; %v", r.Tried, r.Families, r.Reasons)
}

func TestResultDoesNotDependOnTheNumberOfWorkers(t *testing.T) {
	o := options(t)
	o.Workers = 1
	one, err := mutants.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Workers = 5
	five, err := mutants.Run(t.Context(), o)
	if err != nil || !reflect.DeepEqual(one, five) {
		t.Errorf("by one: %+v, by five: %+v, %v", one, five, err)
	}
}

func TestPlantedDefectsAreNoticed(t *testing.T) {
	o := options(t)
	o.Every, o.Other = 100_000, nil
	for _, d := range mutants.Defects() {
		o.Defect = &d
		r, err := mutants.Run(t.Context(), o)
		if err != nil || len(r.Failures) == 0 {
			t.Errorf("nobody noticed that %s: %+v, %v", d.Name, r, err)
			continue
		}
		for _, f := range r.Failures {
			if strings.HasPrefix(f.Mutant, "flip:") != (f.Family == r.Families[0].Name) {
				t.Errorf("%s: %q is of the family %q", d.Name, f.Mutant, f.Family)
			}
		}
		if detail, err := mutants.Replay(o, r.Failures[0].Mutant); err != nil || detail != r.Failures[0].Detail {
			t.Errorf("%s: played again: %q, %v", d.Name, detail, err)
		}
		o.Defect = nil
		if detail, err := mutants.Replay(o, r.Failures[0].Mutant); err != nil || detail != "" {
			t.Errorf("%s: played again without the defect: %q, %v", d.Name, detail, err)
		}
	}
}

func TestNamesOfMutantsThatAreNoneAreRefused(t *testing.T) {
	o := options(t)
	for _, name := range []string{"", "flip:0", "flip:-1.0", "flip:99999999.1", "flip:0.9", "cut:99999999", "drop:77"} {
		if _, err := mutants.Replay(o, name); !errors.Is(err, mutants.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"flip:0.0", "cut:20", "drop:0", "add:zero", "mix:head"} {
		if detail, err := mutants.Replay(o, name); err != nil || detail != "" {
			t.Errorf("%q: %v, %v", name, detail, err)
		}
	}
}

func TestInterruptedRunSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mutants.Run(ctx, options(t)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
