package store_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

var long = flag.Bool("long", false, "sweep many more workloads and damage patterns")

// outcomes are the ways in which an operation can end when power fails.
func outcomes(tears uint64) []flash.Outcome {
	all := []flash.Outcome{{Mode: flash.Before}}
	for seed := range tears {
		for _, mode := range []flash.Mode{flash.TornPrefix, flash.TornBits, flash.TornWord, flash.TornUnsteady} {
			all = append(all, flash.Outcome{Mode: mode, Seed: seed})
		}
	}
	return append(all, flash.Outcome{Mode: flash.After})
}

// eachCrash runs work on chip and hands visit a clone of the chip for each
// state in which a power cut can leave it.
func eachCrash(chip *flash.Memory, tears uint64, work func(flash.Device) error, visit func(*flash.Memory) error) error {
	all := outcomes(tears)
	return work(flash.NewTap(chip, func(o flash.Operation) error {
		for _, how := range all {
			if o.Kind == flash.SyncDevice && how.Mode != flash.After {
				continue // seen after the operation before it
			}
			crashed := chip.Clone()
			if err := o.Perform(crashed, how); err != nil {
				return err
			}
			if err := visit(crashed); err != nil {
				return fmt.Errorf("%v, power cut %v (seed %d): %w", o, how.Mode, how.Seed, err)
			}
		}
		return nil
	}))
}

// sweep checks the store after every possible cut of a workload.
type sweep struct {
	tears  uint64
	double bool // cut each recovery, too
	states int
}

// workload is a series of random changes, with the states around the newest.
type workload struct {
	random    *rand.Rand
	old, next state
}

func newWorkload(seed uint64) *workload {
	return &workload{random: rand.New(rand.NewPCG(seed, 0)), next: state{values: map[string]string{}}}
}

// run performs n changes.
func (w *workload) run(s *store.Store, n int) error {
	for range n {
		c := randomChange(w.random, 500)
		w.old, w.next = w.next, c.apply(w.next)
		err := c.run(s)
		if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrTooLarge) {
			w.next = w.old
		} else if err != nil {
			return err
		}
	}
	return nil
}

// run performs changes on a new chip, and then more of which every operation
// is cut.
func (w *sweep) run(t *testing.T, seed uint64, before, swept int) error {
	chip := blankChip(t, small)
	load := newWorkload(seed)
	if before > 0 {
		if err := load.run(mustOpen(t, chip), before); err != nil {
			return err
		}
	}
	return eachCrash(chip, w.tears, func(f flash.Device) error {
		s, err := store.Open(f)
		if err != nil {
			return err
		}
		return load.run(s, swept)
	}, func(crashed *flash.Memory) error {
		return w.check(crashed, load.old, load.next)
	})
}

// check opens a crashed chip: it holds the state before the change that was
// under way or the one after, however recovery itself is cut, and goes on
// working.
func (w *sweep) check(crashed *flash.Memory, old, next state) error {
	w.states++
	again := crashed.Clone()
	s, err := store.Open(crashed)
	if err != nil {
		return err
	}
	seen := observe(s)
	if !seen.equal(old) && !seen.equal(next) {
		return errors.New("neither the state before nor the one after")
	}
	if err := checkTrace(crashed, seen, old, next); err != nil {
		return err
	}
	if err := checkWorks(s, crashed, seen); err != nil {
		return err
	}
	if w.double {
		return w.cutRecovery(again, seen)
	}
	return nil
}

// cutRecovery cuts every operation of the recovery of a chip.
func (w *sweep) cutRecovery(chip *flash.Memory, want state) error {
	return eachCrash(chip, 1, func(f flash.Device) error {
		_, err := store.Open(f)
		return err
	}, func(crashed *flash.Memory) error {
		w.states++
		s, err := store.Open(crashed)
		if err != nil {
			return fmt.Errorf("recovery: %w", err)
		}
		if !observe(s).equal(want) {
			return errors.New("recovery: another state than without the second cut")
		}
		return nil
	})
}

// checkTrace looks for the root key that is not the current one.
func checkTrace(chip *flash.Memory, seen, old, next state) error {
	for _, stale := range []string{old.root, next.root} {
		if stale == "" || stale == seen.root {
			continue
		}
		content := make([]byte, chip.Geometry().Size())
		if err := chip.Read(0, content); err != nil {
			return err
		}
		for i := range len(stale) - 3 {
			if strings.Contains(string(content), stale[i:i+4]) {
				return errors.New("a piece of the other root key is still on the chip")
			}
		}
	}
	return nil
}

// checkWorks makes two more changes.
func checkWorks(s *store.Store, chip flash.Device, seen state) error {
	for _, c := range []change{
		{ops: []op{{kind: "put", key: "a/0", value: "after the cut"}}},
		{root: strings.Repeat("k", store.RootKeySize)},
	} {
		if err := c.run(s); err != nil {
			return fmt.Errorf("after recovery: %w", err)
		}
		seen = c.apply(seen)
	}
	s, err := store.Open(chip)
	if err != nil {
		return fmt.Errorf("after recovery: %w", err)
	}
	if !observe(s).equal(seen) {
		return errors.New("a change after recovery was lost")
	}
	return nil
}

func TestEveryPowerCutLeavesOldOrNewState(t *testing.T) {
	t.Parallel()
	w := sweep{tears: 3, double: true}
	workloads := uint64(4)
	if *long {
		workloads, w.tears = 200, 6
	}
	for seed := range workloads {
		// From a blank chip, and from one around which the log has gone.
		for _, before := range []int{0, 150 + int(seed)*37} {
			if err := w.run(t, seed, before, 15); err != nil {
				t.Fatalf("workload %d after %d changes: %v", seed, before, err)
			}
		}
	}
	t.Logf("%d crash states", w.states)
}

// forgetful is a chip that loses one program operation in a hundred.
type forgetful struct {
	flash.Device
	count int
}

func (f *forgetful) Program(addr int64, p []byte) error {
	if f.count++; f.count%100 == 0 {
		return nil
	}
	return f.Device.Program(addr, p)
}

func TestSweepNoticesLostWrites(t *testing.T) {
	load := newWorkload(1)
	chip := blankChip(t, small)
	err := load.run(mustOpen(t, &forgetful{Device: chip}), 40)
	if err == nil {
		w := sweep{}
		err = w.check(chip, load.old, load.next)
	}
	if err == nil {
		t.Error("a chip that loses writes passes the check")
	}
}

func TestHostCrashThatReordersBlocksLeavesOldOrNewState(t *testing.T) {
	t.Parallel()
	workloads := uint64(4)
	if *long {
		workloads = 100
	}
	var w sweep
	for seed := range workloads {
		chip := blankChip(t, small)
		load := newWorkload(1000 + seed)
		cache := flash.NewCache(chip)
		shuffle := rand.New(rand.NewPCG(seed, 1))
		s, err := store.Open(flash.NewTap(cache, func(o flash.Operation) error {
			for range 3 {
				crashed, err := cache.Crash(shuffle.Uint64())
				if err != nil {
					return err
				}
				if err := w.check(crashed, load.old, load.next); err != nil {
					return fmt.Errorf("%v: %w", o, err)
				}
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		if err := load.run(s, 60); err != nil {
			t.Fatalf("workload %d: %v", seed, err)
		}
	}
	t.Logf("%d crash states", w.states)
}

func TestPowerThatFailsAgainAndAgainNeverUsesUpTheChip(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(*store.Store) state{
		"full":         func(s *store.Store) state { return fillUp(t, s) },
		"nearly empty": func(s *store.Store) state { return one(t, s) },
	} {
		t.Run(name, func(t *testing.T) {
			chip := blankChip(t, small)
			now := fill(mustOpen(t, chip))
			now = failAgain(t, chip, now, 2000)
			if err := checkWorks(mustOpen(t, chip), chip, now); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// failAgain overwrites values of a chip whose power fails some operations
// after each opening.
func failAgain(t *testing.T, chip *flash.Memory, now state, rounds int) state {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 3))
	keys := sortedKeys(now)
	for i := range rounds {
		key := keys[r.IntN(len(keys))]
		c := change{ops: []op{{kind: "put", key: key, value: strings.Repeat(string(rune('a'+i%26)), len(now.values[key]))}}}
		how := flash.Outcome{Mode: flash.Mode(1 + r.IntN(4)), Seed: r.Uint64()}
		s, err := store.Open(flash.NewPowerCut(chip, 1+r.IntN(12), how))
		for err == nil {
			// Until the power fails, each commit may be the last.
			before := now
			now = c.apply(now)
			if err = c.run(s); err != nil && observe(mustOpen(t, chip.Clone())).equal(before) {
				now = before
			}
		}
		if !errors.Is(err, flash.ErrPowerLost) {
			t.Fatalf("round %d: %v", i, err)
		}
		if !observe(mustOpen(t, chip.Clone())).equal(now) {
			t.Fatalf("round %d: neither the state before nor the one after", i)
		}
	}
	return now
}

// TestStateSeenAfterAKillSurvivesAHostCrash lets the process die with writes
// that the host has not synced, opens the store again, and then loses all that
// the host has not written.
func TestStateSeenAfterAKillSurvivesAHostCrash(t *testing.T) {
	for seed := range uint64(300) {
		chip := blankChip(t, small)
		load := newWorkload(seed)
		cache := flash.NewCache(chip)
		s := mustOpen(t, flash.NewPowerCut(cache, 30+int(seed)%50, flash.Outcome{Mode: flash.After}))
		if err := load.run(s, 100); !errors.Is(err, flash.ErrPowerLost) {
			t.Fatalf("workload %d: %v", seed, err)
		}
		seen := observe(mustOpen(t, cache))
		crashed, err := cache.Crash(seed)
		if err != nil {
			t.Fatal(err)
		}
		if !observe(mustOpen(t, crashed)).equal(seen) {
			t.Fatalf("workload %d: what was there after the kill is not there after the crash", seed)
		}
	}
}

// one puts a single value.
func one(t *testing.T, s *store.Store) state {
	t.Helper()
	if err := (change{ops: []op{{kind: "put", key: "key", value: "v"}}}).run(s); err != nil {
		t.Fatal(err)
	}
	return observe(s)
}
