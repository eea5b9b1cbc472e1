package update_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/rehearse/report"
	"usbhsm7/firmware/rehearse/starts"
	"usbhsm7/firmware/rehearse/update"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options is a rehearsal of a small update on a new device.
func options(t *testing.T) update.Options {
	t.Helper()
	chip, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	m := boottest.Image(fuf.V(7, 9, 3), 2, 1000, 1)
	file, err := boottest.SignImage(m, boottest.Release(m))
	if err != nil {
		t.Fatal(err)
	}
	return update.Options{
		Tool: "test", File: "update.fuf", Device: "U700", Trust: testkeys.Trust(), Seed: 1, Depth: update.Quick,
		Subject: sweep.Subject{
			Config: boottest.Config(), Chip: chip,
			Facts: boot.Facts{FreePercent: 100, Client: fuf.V(1, 0, 0)}, File: file, Code: boottest.Code,
		},
		Reproduce: func(token string) string { return "replay '" + token + "'" },
	}
}

func text(t *testing.T, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	for _, write := range []func() error{func() error { return r.JSON(&b) }, func() error { return r.JUnit(&b) }, func() error { return r.HTML(&b) }} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestSoundUpdateFailsNowhereAndTheReportIsTheSameEachTime(t *testing.T) {
	o := options(t)
	o.Phases = []string{"admission", "cuts"}
	before := o.Subject.Chip.Digest()
	r, err := update.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed > 0 || len(r.Phases) != 2 || r.Phases[1].Tried < 1000 {
		t.Errorf("%+v", r)
	}
	if o.Subject.Chip.Digest() != before {
		t.Error("the device itself was changed")
	}
	again, err := update.Run(t.Context(), o)
	if err != nil || text(t, r) != text(t, again) {
		t.Errorf("the second report is another one (%v)", err)
	}
}

// TestUpdateThatConvertsTheDataIsSafe takes an update that rewrites every object of a
// device that has many, at once or over half an hour.
func TestUpdateThatConvertsTheDataIsSafe(t *testing.T) {
	for _, minutes := range []uint32{0, 30} {
		subject, err := starts.Sample(1, minutes)
		if err != nil {
			t.Fatal(err)
		}
		o := options(t)
		o.Subject, o.Phases = subject, []string{"admission", "start", "transfers"}
		r, err := update.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed > 0 || len(r.Phases) != 3 || r.Phases[1].Tried < 200 {
			t.Errorf("%d minutes: %+v", minutes, r)
		}
	}
}

func TestRefusedFileIsReportedWithTheReason(t *testing.T) {
	o := options(t)
	o.Subject.Model, o.Phases = "U790", []string{"admission", "cuts", "mutants"}
	r, err := update.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed != 1 || !strings.Contains(text(t, r), "another product or model") {
		t.Errorf("%+v", r)
	}
	for _, p := range r.Phases[1:] {
		if p.Skipped == "" || p.Tried > 0 {
			t.Errorf("%s was tried", p.Name)
		}
	}
	wrong, err := update.Replay(t.Context(), o, r.Phases[0].Failures[0].Token)
	if err != nil || len(wrong) != 1 {
		t.Errorf("replay: %v, %v", wrong, err)
	}
}

// A rehearsal that cannot be held says nothing against the update.
func TestWhatCannotBeRehearsedIsNoFailure(t *testing.T) {
	o := options(t)
	r, err := o.Subject.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	o.Subject.Chip = r.Installed()
	m := boottest.Image(boot.Factory().Version, 2, 1000, 2) // that of the firmware to go back to
	if o.Subject.File, err = boottest.SignImage(m, boottest.Release(m)); err != nil {
		t.Fatal(err)
	}
	if r, err := update.Run(t.Context(), o); !errors.Is(err, sweep.ErrAlike) {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestFirmwareInWhichTheHSMDoesNotStartFails shows that what the bootloader takes is not
// enough: the rehearsal starts the HSM of the device in it.
func TestFirmwareInWhichTheHSMDoesNotStartFails(t *testing.T) {
	for name, spoil := range map[string]func(*boot.Image){
		"data schema":  func(m *boot.Image) { m.DataSchema = 99 },
		"not built in": func(m *boot.Image) { m.Mechanisms = []boot.Mechanism{{Type: 0xDEADBEEF, Withheld: true}} },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			m := boottest.Image(fuf.V(7, 9, 3), 2, 1000, 1)
			spoil(m)
			release := boottest.Release(m)
			release.Data = fuf.DataChange{From: 1, To: m.DataSchema}
			if m.DataSchema > 1 {
				release.Data.Class = fuf.MigrateCopy
			}
			file, err := boottest.SignImage(m, release)
			if err != nil {
				t.Fatal(err)
			}
			o.Subject.File, o.Phases = file, []string{"admission"}
			r, err := update.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed != 1 || !strings.Contains(text(t, r), name) {
				t.Errorf("%+v", r.Phases[0].Failures)
			}
		})
	}
}

// forgiving takes any head that has the length of the genuine one for that.
type forgiving struct {
	boot.Verifier
	genuine []byte
}

func (f forgiving) Open(head []byte) (*fuf.Update, error) {
	if len(head) == len(f.genuine) {
		head = f.genuine
	}
	return f.Verifier.Open(head)
}

func TestFailuresComeWithTokensThatReplayThem(t *testing.T) {
	o := options(t)
	o.Phases = []string{"mutants"}
	size, err := fuf.HeadSize(o.Subject.File)
	if err != nil {
		t.Fatal(err)
	}
	o.Subject.Verifier = forgiving{o.Subject.Verifier, o.Subject.File[:size]}
	r, err := update.Run(t.Context(), o)
	if err != nil || r.Failed == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	f := r.Phases[0].Failures[0]
	if wrong, err := update.Replay(t.Context(), o, f.Token); err != nil || len(wrong) == 0 || f.Reproduce != "replay '"+f.Token+"'" {
		t.Errorf("%s: %v, %v", f.Token, wrong, err)
	}
	if !slices.ContainsFunc([]string{text(t, r)}, regexp.MustCompile(`<failure message="a file that is not genuine`).MatchString) {
		t.Error("JUnit does not have it")
	}
}

func TestTokensAndPhasesThatAreNoneAreRefused(t *testing.T) {
	o := options(t)
	for token, want := range map[string]error{
		"": update.ErrPhase, "nothing/x": update.ErrPhase, "cuts/nothing:": sweep.ErrToken, "start/nothing:": flash.ErrCut,
	} {
		if _, err := update.Replay(t.Context(), o, token); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", token, err, want)
		}
	}
	o.Phases = []string{"other"}
	if _, err := update.Run(t.Context(), o); !errors.Is(err, update.ErrPhase) {
		t.Error(err)
	}
}

func TestInterruptedRehearsalSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := update.Run(ctx, options(t)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
