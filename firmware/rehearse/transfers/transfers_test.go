package transfers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/rehearse/transfers"
	"usbhsm7/fuf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t *testing.T) transfers.Options {
	t.Helper()
	chip, err := flash.NewMemory(flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 192})
	if err != nil {
		t.Fatal(err)
	}
	m := boottest.Image(fuf.V(7, 9, 3), 2, 40_000, 1)
	file, err := boottest.SignImage(m, boottest.Release(m))
	if err != nil {
		t.Fatal(err)
	}
	return transfers.Options{Subject: sweep.Subject{
		Config: boottest.Config(), Chip: chip,
		Facts: boot.Facts{Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Client: fuf.V(1, 0, 0), FreePercent: 100}, File: file, Code: boottest.Code,
	}}
}

func TestNoTransferThatFailsCostsAChunkOrTheUpdate(t *testing.T) {
	o := options(t)
	o.Every = 2 // make rehearsal tries all
	if testing.Short() {
		o.Every = 11
	}
	r, err := transfers.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failures {
		t.Errorf("%s: %s", f.Case, f.Detail)
	}
	if r.Transfers < 16 || r.Tried < 20 {
		t.Errorf("hardly anything was tried: %+v", r)
	}
	t.Logf("%d transfers, %d cases", r.Transfers, r.Tried)
}

func TestUpdateThatConvertsTheDataIsNoFailure(t *testing.T) {
	o := options(t)
	m := boottest.Image(fuf.V(7, 9, 3), 2, 20_000, 1)
	var err error
	if o.Subject.File, err = boottest.SignImage(m, boottest.Convert(m, 30)); err != nil {
		t.Fatal(err)
	}
	o.Every = 5
	r, err := transfers.Run(t.Context(), o)
	if err != nil || len(r.Failures) > 0 || r.Tried < 10 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestContentThatTheDeviceHasIsNoLoss(t *testing.T) {
	o := options(t)
	first, err := o.Subject.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	m := boottest.Image(fuf.V(7, 9, 4), 2, 40_000, 1) // most chunks of the first update
	if o.Subject.File, err = boottest.SignImage(m, boottest.Release(m)); err != nil {
		t.Fatal(err)
	}
	o.Subject.Chip = first.Installed()
	o.Every = 5
	r, err := transfers.Run(t.Context(), o)
	if err != nil || len(r.Failures) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestPlantedDefectsAreNoticed(t *testing.T) {
	for _, d := range transfers.Defects() {
		o := options(t)
		o.Defect, o.Every = &d, 5
		r, err := transfers.Run(t.Context(), o)
		if err != nil || len(r.Failures) == 0 {
			t.Errorf("nobody noticed that %s (%v)", d.Name, err)
			continue
		}
		for _, f := range r.Failures[:min(len(r.Failures), 3)] {
			findAgain(t, o, f)
		}
		t.Logf("%s: %s: %s", d.Name, r.Failures[0].Case, r.Failures[0].Detail)
	}
}

// findAgain has the case of a failure find the defect again, and nothing where there is
// none. It may take some tries where it matters when the device acts.
func findAgain(t *testing.T, o transfers.Options, f transfers.Failure) {
	t.Helper()
	name, detail, err := o.Defect.Name, "", error(nil)
	for tries := 0; tries < 50 && err == nil && detail != f.Detail; tries++ {
		detail, err = transfers.Replay(t.Context(), o, f.Case)
	}
	if err != nil || detail != f.Detail {
		t.Errorf("%s: %s: again %q, %v, was %q", name, f.Case, detail, err, f.Detail)
	}
	o.Defect = nil
	if detail, err := transfers.Replay(t.Context(), o, f.Case); err != nil || detail != "" {
		t.Errorf("%s: %s: without it %q, %v", name, f.Case, detail, err)
	}
}

func TestTheDeviceItselfSaysWhatStandsAgainstTheUpdate(t *testing.T) {
	o := options(t)
	checks, err := transfers.Plan(t.Context(), o.Subject)
	if err != nil || len(checks) < 5 {
		t.Fatalf("%v, %v", checks, err)
	}
	for _, c := range checks {
		if c.Status != command.StatusOK {
			t.Errorf("%s: %v: %s", c.Name, c.Status, c.Detail)
		}
	}
	o.Subject.Code = fuf.Authcode{}
	checks, err = transfers.Plan(t.Context(), o.Subject)
	if err != nil || checks[len(checks)-1].Status == command.StatusOK {
		t.Errorf("with a wrong code: %v, %v", checks, err)
	}
}

func TestReplayTriesACaseAgain(t *testing.T) {
	o := options(t)
	if detail, err := transfers.Replay(t.Context(), o, "7:host killed"); err != nil || detail != "" {
		t.Errorf("%q, %v", detail, err)
	}
	for _, name := range []string{"", "7:", "x:host killed", "0:host killed", "7:sneezed"} {
		if _, err := transfers.Replay(t.Context(), o, name); !errors.Is(err, transfers.ErrCase) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestUpdateThatDoesNotWorkIsNoRehearsal(t *testing.T) {
	o := options(t)
	o.Subject.Code = fuf.Authcode{}
	if _, err := transfers.Run(t.Context(), o); err == nil {
		t.Error("with a wrong code it works")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := transfers.Run(ctx, options(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
