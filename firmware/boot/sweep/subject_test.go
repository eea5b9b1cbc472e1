package sweep_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// subject is a device with a chip of the usual size, and an update for it.
func subject(t *testing.T, size int) sweep.Subject {
	t.Helper()
	chip, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	m := boottest.Image(fuf.V(7, 9, 3), 2, size, 1)
	file, err := boottest.SignImage(m, boottest.Release(m))
	if err != nil {
		t.Fatal(err)
	}
	return sweep.Subject{
		Config: boottest.Config(), Chip: chip,
		Facts: boot.Facts{FreePercent: 100}, File: file, Code: boottest.Code,
	}
}

// joined is a plan for large images.
var joined = sweep.Plan{Tears: 1, Second: true, Join: true, Every: 10}

func TestAFileOfSomebodyIsRehearsedOnADeviceOfSomebody(t *testing.T) {
	s := subject(t, 20_000)
	if err := s.Chip.Program(0, []byte("records of the HSM")); err != nil {
		t.Fatal(err)
	}
	r, err := s.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	plan := joined
	if testing.Short() {
		plan.Every = 100
	}
	report, err := r.Sweep(sweep.Options{Plan: plan, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Faults) > 0 {
		t.Errorf("%d faults: %v", len(report.Faults), report.Faults[:min(3, len(report.Faults))])
	}
	want := []string{"update", "update never confirmed", "rollback"}
	if !slices.Equal(r.Scenarios(), want) || report.CrashStates < 500 {
		t.Errorf("%v: %d crash states", r.Scenarios(), report.CrashStates)
	}
	for _, s := range report.Scenarios {
		t.Logf("%s: %d operations, %d crash states", s.Name, s.Operations, s.CrashStates)
	}
}

func TestAnUpdateAfterAnotherIsRehearsedWithWhatIsOnTheDevice(t *testing.T) {
	s := subject(t, 100)
	r, err := s.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	// A second update on the device that has the first.
	later := subject(t, 20_000)
	m := boottest.Image(fuf.V(7, 9, 4), 3, 5000, 2)
	if later.File, err = boottest.SignImage(m, boottest.Release(m)); err != nil {
		t.Fatal(err)
	}
	later.Chip = r.Installed()
	if r, err = later.Prepare(); err != nil {
		t.Fatal(err)
	}
	report, err := r.Sweep(sweep.Options{Plan: sweep.Plan{Tears: 1}, Seed: 1})
	if err != nil || len(report.Faults) > 0 || report.CrashStates == 0 {
		t.Errorf("%v, %+v", err, report)
	}
}

func TestWhatTheDeviceRefusesIsNotRehearsed(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*sweep.Subject)
		want  error
	}{
		{"another model", func(s *sweep.Subject) { s.Model = "U790" }, boot.ErrTarget},
		{"another code", func(s *sweep.Subject) { s.Code = fuf.Authcode{} }, fuf.ErrAuthcode},
		{"a torn file", func(s *sweep.Subject) { s.File = s.File[:100] }, fuf.ErrLength},
		{"a file without its end", func(s *sweep.Subject) { s.File = s.File[:len(s.File)-1] }, fuf.ErrChunk},
		{"no file", func(s *sweep.Subject) { s.File = make([]byte, 100) }, fuf.ErrMagic},
		{"full storage", func(s *sweep.Subject) {
			m := boottest.Image(fuf.V(7, 9, 3), 2, 100, 1)
			release := boottest.Release(m)
			release.Requires.FreePercent = 40
			file, err := boottest.SignImage(m, release)
			if err != nil {
				t.Fatal(err)
			}
			s.File = file
			s.Facts.FreePercent = 39
		}, boot.ErrCapacity},
	} {
		s := subject(t, 20_000)
		before := s.Chip.Digest()
		c.spoil(&s)
		if _, err := s.Prepare(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if s.Chip.Digest() != before {
			t.Errorf("%s: the device itself was changed", c.name)
		}
	}
}

func TestTokenOfASubjectPlaysAgain(t *testing.T) {
	s := subject(t, 100)
	r, err := s.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	if faults, err := r.Replay("update:"); err != nil || len(faults) > 0 {
		t.Errorf("without a cut: %v, %v", faults, err)
	}
	if _, err := r.Replay("floor:"); !errors.Is(err, sweep.ErrToken) {
		t.Errorf("of another rehearsal: %v", err)
	}
}

func TestAVersionThatTheDeviceHasAlreadyIsNotRehearsed(t *testing.T) {
	s := subject(t, 100)
	before := boot.Factory().Version
	r, err := s.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	s.Chip = r.Installed()
	m := boottest.Image(before, 2, 100, 2)
	if s.File, err = boottest.SignImage(m, boottest.Release(m)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(); !errors.Is(err, sweep.ErrAlike) || !errors.Is(err, sweep.ErrSubject) || !strings.Contains(err.Error(), before.String()) {
		t.Errorf("%v", err)
	}
}

func TestADeviceWhoseFirmwareHasDecayedIsNotRehearsed(t *testing.T) {
	s := subject(t, 20_000)
	r, err := s.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	s.Chip = r.Installed()
	g := s.Chip.Geometry()
	const image = 2 + 1 + 3 // behind the records, and the marks and the head of slot 0
	if err := s.Chip.Flip(8 * int64((g.Blocks/2+image)*g.BlockSize())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(); !errors.Is(err, sweep.ErrSubject) {
		t.Errorf("%v", err)
	}
}
