package boot_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// slotBlocks is how many blocks a slot of the small region has.
const slotBlocks = 24

// decay flips a bit of the image in a slot.
func (u *unit) decay(slot int) {
	u.t.Helper()
	u.must(u.chip.Flip(8 * 4096 * int64(2+slotBlocks*slot+8)))
}

// decayHead flips a bit of the head of the file in a slot.
func (u *unit) decayHead(slot int) {
	u.t.Helper()
	u.must(u.chip.Flip(8*4096*int64(2+slotBlocks*slot+1) + 800))
}

// recovers checks that nothing runs but what takes an update.
func (u *unit) recovers(lost fuf.Version) {
	u.t.Helper()
	if s := u.status(); !s.Recovers || s.Lost != lost || s.Confirmed || u.Running().Name != "Recovery" {
		u.t.Fatalf("%q runs, and %v is lost: %+v", u.Running().Name, s.Lost, s)
	}
}

// TestWhatRunsWhenTheFirmwareHasDecayed has the firmware decay that runs, in slot 1,
// with another one before it, in slot 0.
func TestWhatRunsWhenTheFirmwareHasDecayed(t *testing.T) {
	for name, c := range map[string]struct {
		security uint32 // of the firmware that decays; the one before has 2
		schema   uint32 // of the data that it leaves
		floor    uint32
		more     func(*unit) // that happens besides
		before   bool        // the one before takes its place
	}{
		"the one before is as good":            {security: 2, schema: 1, before: true},
		"even where the head is lost too":      {security: 2, schema: 1, more: func(u *unit) { u.decayHead(1) }, before: true},
		"its security version is ruled out":    {security: 3, schema: 1},
		"it does not read the data":            {security: 2, schema: 2},
		"it has decayed too":                   {security: 2, schema: 1, more: func(u *unit) { u.decay(0) }},
		"its head has decayed too":             {security: 2, schema: 1, more: func(u *unit) { u.decayHead(0) }},
		"the floor does not matter if it fits": {security: 2, schema: 1, floor: 2, before: true},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUnit(t)
			u.install(newUpdate(t, v793, 2))
			u.install(withSchema(t, v794, c.security, c.schema))
			u.must(u.RaiseFloor(c.floor))
			u.decay(1)
			if c.more != nil {
				c.more(u)
			}
			u.powerCycle()
			if !c.before {
				u.recovers(v794)
				return
			}
			for range 2 {
				u.runs(v793, boot.Idle)
				if s := u.status(); s.Last != boot.Decayed || !s.Confirmed || s.Rollback != nil || s.Security != 2 {
					t.Errorf("%+v", s)
				}
				u.powerCycle()
			}
		})
	}
}

// withSchema returns an update that leaves data in another form.
func withSchema(t *testing.T, version fuf.Version, security, schema uint32) *boottest.Update {
	t.Helper()
	m := boottest.Image(version, security, 40<<10, 9)
	m.DataSchema = schema
	r := boottest.Release(m)
	if r.Data = (fuf.DataChange{From: 1, To: schema}); schema > 1 {
		r.Data.Class = fuf.MigrateInPlace
	}
	update, err := boottest.Make(m, r)
	if err != nil {
		t.Fatal(err)
	}
	return update
}

// TestTheOneThatWasMadeInTakesThePlaceOfDecayedFirmware falls back to read-only memory.
func TestTheOneThatWasMadeInTakesThePlaceOfDecayedFirmware(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 1))
	u.decay(0)
	u.powerCycle()
	u.runs(v792, boot.Idle)
}

// TestRecoveryTakesTheSameFirmwareAgainAndOnlyWhatHasDecayed sends an update to a device
// that has nothing to run.
func TestRecoveryTakesTheSameFirmwareAgainAndOnlyWhatHasDecayed(t *testing.T) {
	u := newUnit(t)
	update := newUpdate(t, v793, 2)
	u.install(update)
	u.decay(0)
	before := u.chip.Digest()
	u.powerCycle()
	u.recovers(v793)
	if u.chip.Digest() != before {
		t.Error("that something is lost was written")
	}
	if err := newUpdate(t, v794, 1).Upload(u.Boot); !errors.Is(err, boot.ErrDowngrade) {
		t.Errorf("firmware that the lost one had ruled out: %v", err)
	}
	u.must(u.Begin(update.Head, boottest.Code, facts()))
	if have := u.status().Have; len(have) != 3 || !have[0] || have[1] || !have[2] {
		t.Errorf("have %v; the second chunk has decayed", have)
	}
	u.powerCycle()
	u.recovers(v793)
	u.must(update.Upload(u.Boot), u.Activate())
	u.powerCycle()
	u.runs(v793, boot.Trial)
	u.must(u.Confirm())
	u.powerCycle()
	u.runs(v793, boot.Idle)
	if s := u.status(); s.Recovers || s.Lost != (fuf.Version{}) || s.Rollback.Version != v792 || s.Last != boot.Updated {
		t.Errorf("%+v", s)
	}
}

// TestFirmwareOnTrialOutlivesTheDecayOfTheOneBefore, and one that fails does not.
func TestFirmwareOnTrialOutlivesTheDecayOfTheOneBefore(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 2))
	u.must(newUpdate(t, v794, 2).Upload(u.Boot), u.Activate())
	u.decay(0)
	u.powerCycle()
	u.runs(v794, boot.Trial)
	failed := &unit{t: t, chip: u.chip.Clone()}
	for range boot.TrialBoots {
		failed.powerCycle()
	}
	failed.recovers(v793)
	u.must(u.Confirm())
	u.powerCycle()
	u.runs(v794, boot.Idle)
	if s := u.status(); s.Rollback.Version != v792 {
		t.Errorf("back to %v", s.Rollback.Version)
	}
}

func TestThereIsNoWayBackToFirmwareThatHasDecayed(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 2))
	u.install(newUpdate(t, v794, 2))
	u.decay(0)
	u.powerCycle()
	u.runs(v794, boot.Idle)
	if err := u.Rollback(false); !errors.Is(err, boot.ErrNoRollback) || u.status().Rollback != nil {
		t.Errorf("back to firmware that has decayed: %v", err)
	}
}

// TestRollbackToFirmwareThatDecaysMeanwhileEnds keeps the firmware that runs.
func TestRollbackToFirmwareThatDecaysMeanwhileEnds(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 2))
	u.install(newUpdate(t, v794, 2))
	u.must(u.Rollback(false))
	u.decay(0)
	u.powerCycle()
	u.runs(v794, boot.RollingBack)
	u.must(u.Erased())
	u.powerCycle()
	u.runs(v794, boot.Idle)
	if s := u.status(); s.Last != boot.Decayed || s.Rollback != nil {
		t.Errorf("%+v", s)
	}
}

// TestRollbackOutOfRecovery destroys what the firmware before must not see, and runs it.
func TestRollbackOutOfRecovery(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 2))
	u.install(newUpdate(t, v794, 3))
	u.decay(1)
	u.powerCycle()
	u.recovers(v794)
	u.must(u.Rollback(false))
	u.powerCycle()
	u.recovers(v794)
	u.must(u.Erased())
	u.runs(v793, boot.Idle)
	u.powerCycle()
	u.runs(v793, boot.Idle)
}

// TestAnUploadIsNotLostWithTheFirmwareThatRuns goes on with it.
func TestAnUploadIsNotLostWithTheFirmwareThatRuns(t *testing.T) {
	for _, whole := range []bool{false, true} {
		u, update := newUnit(t), newUpdate(t, v795, 2)
		u.install(newUpdate(t, v793, 2))
		u.install(newUpdate(t, v794, 2))
		u.must(u.Begin(update.Head, boottest.Code, facts()), u.Chunks(1, update.Chunks[1]))
		state := boot.Receiving
		if whole {
			u.must(update.Upload(u.Boot))
			state = boot.Staged
		}
		u.decay(1)
		u.powerCycle()
		u.runs(v793, state)
		if !whole {
			u.must(update.Upload(u.Boot))
		}
		u.must(u.Activate())
		u.powerCycle()
		u.runs(v795, boot.Trial)
	}
}

// TestPagesThatCannotBeReadAreDecayToo lets bits decay beyond what the chip corrects.
func TestPagesThatCannotBeReadAreDecayToo(t *testing.T) {
	u, update := newUnit(t), newUpdate(t, v793, 2)
	u.install(update)
	aged := flash.NewDecay(u.chip.Clone(), 1, 4)
	aged.AgePage(16*9, 5) // of the image in slot 0
	b := on(t, aged)
	if s, err := b.Status(); err != nil || s.Lost != v793 {
		t.Fatalf("%+v, %v", s, err)
	}
	u.must(update.Upload(b), b.Activate())
	if v := on(t, aged).Running().Version; v != v793 {
		t.Errorf("%v runs", v)
	}
}

// TestOneRecordIsEnough has a page of either record decay beyond what the chip corrects.
func TestOneRecordIsEnough(t *testing.T) {
	u := newUnit(t)
	u.install(newUpdate(t, v793, 2))
	for block := range int64(2) {
		aged := flash.NewDecay(u.chip.Clone(), 1, 4)
		aged.AgePage(16*block, 5)
		for range 2 {
			if b := on(t, aged); b.Running().Version != v793 {
				t.Errorf("without record %d %v runs", block, b.Running().Version)
			}
		}
	}
}
