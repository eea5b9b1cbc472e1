package boot_test

import (
	"errors"
	"slices"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

func TestNewDeviceRunsWhatItWasMadeWithAndWritesNothing(t *testing.T) {
	u := newUnit(t)
	u.runs(v792, boot.Idle)
	blank, err := flash.NewMemory(region)
	if err != nil || u.chip.Digest() != blank.Digest() {
		t.Errorf("the flash was written (%v)", err)
	}
	if s := u.status(); s.Rollback != nil || s.Security != 1 || !s.Confirmed || s.Last != boot.NoChange {
		t.Errorf("%+v", s)
	}
}

func TestUpdateRunsOnTrialAndIsConfirmed(t *testing.T) {
	u, update := newUnit(t), newUpdate(t, v793, 4)
	u.must(update.Upload(u.Boot))
	u.runs(v792, boot.Staged)
	u.must(u.Activate())
	u.runs(v792, boot.Trial)
	if err := u.Confirm(); !errors.Is(err, boot.ErrState) {
		t.Errorf("firmware that has not run was confirmed: %v", err)
	}
	u.powerCycle()
	u.runs(v793, boot.Trial)
	if s := u.status(); s.Confirmed || s.Security != 1 || s.Trials != boot.TrialBoots-1 {
		t.Errorf("on trial: %+v", s)
	}
	u.must(u.Confirm())
	for range 2 {
		u.runs(v793, boot.Idle)
		if s := u.status(); !s.Confirmed || s.Security != 4 || s.Rollback.Version != v792 || s.Last != boot.Updated {
			t.Errorf("confirmed: %+v", s)
		}
		u.powerCycle()
	}
}

func TestFirmwareThatIsNotConfirmedGivesWay(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 2))
	u.must(newUpdate(t, v794, 3).Upload(u.Boot), u.Activate())
	for range boot.TrialBoots {
		u.powerCycle()
		u.runs(v794, boot.Trial)
	}
	u.powerCycle()
	u.runs(v793, boot.Idle)
	if s := u.status(); s.Last != boot.FellBack || s.Security != 2 || s.Rollback.Version != v792 {
		t.Errorf("%+v", s)
	}
}

func TestFirmwareThatHasDecayedIsNotTried(t *testing.T) {
	u := newUnit(t)
	u.must(newUpdate(t, v793, 2).Upload(u.Boot), u.Activate())
	u.decay(0)
	u.powerCycle()
	u.runs(v792, boot.Idle)
}

func TestUploadGoesOnAfterAPowerCycle(t *testing.T) {
	u, update := newUnit(t), newUpdate(t, v793, 2)
	u.must(u.Begin(update.Head, boottest.Code, facts()), u.Chunks(2, update.Chunks[2]))
	u.powerCycle()
	if s := u.status(); s.State != boot.Receiving || !s.Have[2] || s.Have[0] || s.Incoming.Manifest().Release.Version != v793 {
		t.Fatalf("%+v", s)
	}
	if err := u.Chunks(0, update.Chunks[0]); !errors.Is(err, boot.ErrState) {
		t.Errorf("a chunk without the authentication code: %v", err)
	}
	u.must(u.Begin(update.Head, boottest.Code, facts()), u.Chunks(0, update.Chunks[0]))
	before := u.chip.Digest()
	u.must(u.Chunks(2, update.Chunks[2]), u.Chunks(0, update.Chunks[0]))
	if u.chip.Digest() != before {
		t.Error("chunks that were here were written again")
	}
	if err := u.Stage(); !errors.Is(err, boot.ErrIncomplete) {
		t.Errorf("staged without a chunk: %v", err)
	}
	u.must(u.Chunks(1, update.Chunks[1]), u.Stage())
	u.runs(v792, boot.Staged)
}

// TestChunksThatComeInARowAreWrittenTogether also when some of them are here already.
func TestChunksThatComeInARowAreWrittenTogether(t *testing.T) {
	update := newUpdate(t, v793, 2)
	operations := func(send func(*boot.Boot) error) (count int) {
		u := newUnit(t)
		b := on(t, flash.NewTap(u.chip, func(flash.Operation) error { count++; return nil }))
		u.must(b.Begin(update.Head, boottest.Code, facts()))
		count = 0
		u.must(send(b), b.Stage(), b.Activate())
		u.powerCycle()
		u.runs(v793, boot.Trial)
		return count
	}
	apart := operations(func(b *boot.Boot) error {
		return errors.Join(b.Chunks(0, update.Chunks[0]), b.Chunks(1, update.Chunks[1]), b.Chunks(2, update.Chunks[2]))
	})
	inRow := func(b *boot.Boot) error { return b.Chunks(0, slices.Concat(update.Chunks...)) }
	if together := operations(inRow); together != apart-4 { // two of three pairs of Sync
		t.Errorf("%d operations on the flash, %d one by one", together, apart)
	}
	again := operations(func(b *boot.Boot) error { return errors.Join(b.Chunks(1, update.Chunks[1]), inRow(b), inRow(b)) })
	if again != apart-2 {
		t.Errorf("%d operations on the flash where one chunk was there, %d one by one", again, apart)
	}
}

func TestAnotherFileTakesThePlaceOfAnUpload(t *testing.T) {
	u, one, other := newUnit(t), newUpdate(t, v793, 2), newUpdate(t, v794, 2)
	u.must(u.Begin(one.Head, boottest.Code, facts()), u.Chunks(0, one.Chunks[0]))
	u.must(other.Upload(u.Boot))
	if v := u.status().Incoming.Manifest().Release.Version; v != v794 {
		t.Errorf("%v is staged", v)
	}
	u.must(one.Upload(u.Boot))
	if v := u.status().Incoming.Manifest().Release.Version; v != v793 {
		t.Errorf("%v is staged", v)
	}
	u.must(u.Abort())
	u.runs(v792, boot.Idle)
}

// Who runs the command again because the host died after the restart must not lose the
// firmware to go back to.
func TestTheUpdateThatRunsIsNotInstalledAgain(t *testing.T) {
	u := newUnit(t)
	image := boottest.Image(fuf.V(7, 9, 3), 2, 20_000, 1)
	release := boottest.Release(image)
	release.ValidFrom = []fuf.Range{{From: fuf.V(7, 7, 0), To: fuf.V(7, 9, 9)}}
	update, err := boottest.Make(image, release)
	u.must(err)
	u.install(update)
	before := u.chip.Digest()
	if err := u.Begin(update.Head, boottest.Code, facts()); !errors.Is(err, boot.ErrPath) {
		t.Errorf("the update that runs: %v", err)
	}
	if u.chip.Digest() != before {
		t.Error("it left something on the flash")
	}
	plan := u.Plan(update.Head, &boottest.Code, facts())
	if at := slices.IndexFunc(plan.Checks, func(c boot.Check) bool { return c.Err != nil }); at < 0 || plan.Checks[at].Name != "not installed yet" {
		t.Errorf("planned: %+v", plan.Checks)
	}
}

func TestContentThatTheDeviceHasIsNotSent(t *testing.T) {
	u := newUnit(t)
	old := boottest.Image(v793, 2, 64<<10, 1)
	next := *old
	next.Version, next.Resources = v794, append([]byte(nil), old.Resources...)
	next.Resources[40<<10] ^= 1 // in the third chunk
	first, second := build(t, old), build(t, &next)
	u.install(first)
	u.must(u.Begin(second.Head, boottest.Code, facts()))
	if have := u.status().Have; len(have) != 4 || have[0] || !have[1] || have[2] || !have[3] {
		t.Errorf("have %v; the version is in the first chunk", have)
	}
	u.must(second.Upload(u.Boot))
	u.runs(v793, boot.Staged)
}

func build(t testing.TB, m *boot.Image) *boottest.Update {
	t.Helper()
	u, err := boottest.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// counting counts the payloads that are verified.
type counting struct {
	boot.Verifier
	checked int
}

func (c *counting) Check(u *fuf.Update, payload []byte) error {
	c.checked++
	return c.Verifier.Check(u, payload)
}

// A host that sends an update asks for the status again and again, and to verify an image
// takes long.
func TestFirmwareToGoBackToIsReadOnce(t *testing.T) {
	u, next := newUnit(t), newUpdate(t, v795, 2)
	u.install(newUpdate(t, v793, 2))
	u.install(newUpdate(t, v794, 2))
	config := boottest.Config()
	v := &counting{Verifier: config.Verifier}
	config.Verifier = v
	b, err := boot.Open(u.chip, config)
	u.must(err)
	u.Boot = b
	before := u.status().Rollback
	v.checked = 0
	u.must(b.Begin(next.Head, boottest.Code, facts()))
	begun := u.status().Rollback
	u.must(b.Abort())
	if s := u.status(); s.Rollback == nil || s.Rollback != begun || begun != before || v.checked > 0 {
		t.Errorf("%d payloads were verified again", v.checked)
	}
}

func TestRollbackGoesBackOnceAndErasesFirst(t *testing.T) {
	u := newUnit(t)
	if err := u.Rollback(false); !errors.Is(err, boot.ErrNoRollback) {
		t.Errorf("a new device: %v", err)
	}
	u.install(newUpdate(t, v793, 2))
	u.install(newUpdate(t, v794, 3))
	if err := u.Rollback(true); !errors.Is(err, boot.ErrModules) {
		t.Errorf("with functional modules: %v", err)
	}
	u.must(u.Rollback(false))
	for range 2 {
		u.runs(v794, boot.RollingBack) // whose caller erases now
		u.powerCycle()
	}
	u.must(u.Erased())
	u.runs(v793, boot.Idle)
	u.powerCycle()
	u.runs(v793, boot.Idle)
	if s := u.status(); s.Rollback != nil || s.Last != boot.RolledBack || s.Security != 3 {
		t.Errorf("%+v", s)
	}
	if err := u.Rollback(false); !errors.Is(err, boot.ErrNoRollback) {
		t.Errorf("a second level: %v", err)
	}
	if err := newUpdate(t, v795, 2).Upload(u.Boot); !errors.Is(err, boot.ErrDowngrade) {
		t.Errorf("firmware below the security version that was confirmed: %v", err)
	}
	u.install(newUpdate(t, v795, 3))
	if v := u.status().Rollback.Version; v != v793 {
		t.Errorf("after the next update there is %v to go back to", v)
	}
}

func TestFloorOnlyRisesAndBindsRollback(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 2))
	u.install(newUpdate(t, v794, 4))
	if err := u.RaiseFloor(5); !errors.Is(err, boot.ErrFloor) {
		t.Errorf("a floor above the firmware: %v", err)
	}
	u.must(u.RaiseFloor(3))
	u.powerCycle()
	if s := u.status(); s.Floor != 3 || s.Security != 4 {
		t.Errorf("%+v", s)
	}
	if err := u.RaiseFloor(2); !errors.Is(err, boot.ErrFloor) {
		t.Errorf("a floor that falls: %v", err)
	}
	if err := u.Rollback(false); !errors.Is(err, boot.ErrDowngrade) {
		t.Errorf("rollback below the floor: %v", err)
	}
}

func TestFirmwareMayForbidTheWayBack(t *testing.T) {
	u := newUnit(t)
	m := boottest.Image(v793, 2, 1<<10, 1)
	r := boottest.Release(m)
	r.Rollback = fuf.RollbackImpossible
	update, err := boottest.Make(m, r)
	u.must(err)
	u.install(update)
	if err := u.Rollback(false); !errors.Is(err, boot.ErrNoRollback) {
		t.Errorf("%v", err)
	}
}

func TestPayloadThatIsNoImageIsNotStaged(t *testing.T) {
	other := boottest.Image(v794, 2, 1<<10, 1)
	for name, payload := range map[string][]byte{"garbage": []byte("garbage"), "another version": encode(t, other)} {
		u := newUnit(t)
		file, err := boottest.Sign(boottest.Release(boottest.Image(v793, 2, 1, 1)), payload)
		u.must(err)
		size, err := fuf.HeadSize(file)
		u.must(err, u.Begin(file[:size], boottest.Code, facts()), u.Chunks(0, file[size:]))
		if err := u.Stage(); !errors.Is(err, boot.ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
		u.runs(v792, boot.Idle)
	}
}

func TestFirmwareThatDoesNotFitIsNotStaged(t *testing.T) {
	u, update, reason := newUnit(t), newUpdate(t, v793, 2), errors.New("a mechanism is missing")
	c := boottest.Config()
	c.Fits = func(m *boot.Image) error {
		if m.Version != v793 {
			t.Errorf("asked for %v", m.Version)
		}
		return reason
	}
	b, err := boot.Open(u.chip, c)
	u.must(err)
	if err := update.Upload(b); !errors.Is(err, boot.ErrUnfit) || !errors.Is(err, reason) {
		t.Errorf("%v", err)
	}
	u.powerCycle()
	u.runs(v792, boot.Idle)
}

func encode(t testing.TB, m *boot.Image) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
