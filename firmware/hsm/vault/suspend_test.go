package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"maps"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// wayBack returns a sealer for a key of one repeated byte.
func wayBack(t testing.TB, b byte) *vault.Sealer {
	t.Helper()
	s, err := vault.NewSealer(bytes.Repeat([]byte{b}, vault.KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func suspend(t testing.TB, v *vault.Vault, c *vault.Change) {
	t.Helper()
	if done, err := v.Suspend(wayBack(t, 1), c); !done || err != nil {
		t.Fatalf("suspended %v, error %v", done, err)
	}
}

func TestSuspendedRecordsComeBackUnderTheKeyAlone(t *testing.T) {
	chip := newChip(t)
	v, _ := open(t, chip, rand.Reader)
	if err := v.Commit(change(map[string]string{"a": "one", "b": "two"})); err != nil {
		t.Fatal(err)
	}
	suspend(t, v, change(map[string]string{"note": "suspended"}))
	expect(t, v, map[string]string{"note": "suspended"})
	if _, err := v.Suspend(wayBack(t, 1), change(nil)); err == nil {
		t.Error("suspended twice")
	}

	v, interrupted := open(t, chip, rand.Reader)
	if interrupted || !v.Suspended() {
		t.Fatalf("after a restart: interrupted %v, suspended %v", interrupted, v.Suspended())
	}
	expect(t, v, map[string]string{"note": "suspended"})
	if resumed, err := v.Resume(wayBack(t, 2), change(nil)); resumed || !errors.Is(err, vault.ErrSealed) {
		t.Fatalf("with another key: resumed %v, error %v", resumed, err)
	}
	if resumed, err := v.Resume(wayBack(t, 1), change(map[string]string{"b": "three"})); !resumed || err != nil {
		t.Fatalf("resumed %v, error %v", resumed, err)
	}
	want := map[string]string{"a": "one", "b": "three"}
	expect(t, v, want)
	if _, err := v.Resume(wayBack(t, 1), change(nil)); err == nil {
		t.Error("resumed twice")
	}
	v, _ = open(t, chip, rand.Reader)
	expect(t, v, want)
	if v.Suspended() {
		t.Error("still suspended")
	}
}

// TestOldWayBackOpensNothing puts the record that led back to a suspended
// generation on the flash once more, after the generation was resumed: whoever
// has the key must not get at the records by it.
func TestOldWayBackOpensNothing(t *testing.T) {
	chip := newChip(t)
	v, _ := open(t, chip, rand.Reader)
	if err := v.Commit(change(map[string]string{"a": "one"})); err != nil {
		t.Fatal(err)
	}
	suspend(t, v, change(map[string]string{"note": "suspended"}))
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	var old store.Batch
	for key := range records.Keys("") {
		value, _ := records.Get(key)
		old.Put(key, value)
	}
	if _, err := v.Resume(wayBack(t, 1), change(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Replace(change(map[string]string{"a": "after"})); err != nil {
		t.Fatal(err)
	}
	if records, err = store.Open(chip); err != nil {
		t.Fatal(err)
	}
	if err := records.Commit(&old); err != nil {
		t.Fatal(err)
	}
	v, _ = open(t, chip, rand.Reader)
	expect(t, v, map[string]string{"a": "after"})
	if v.Suspended() {
		t.Error("the old way back counts")
	}
}

func TestReplaceDestroysASuspendedGeneration(t *testing.T) {
	chip := newChip(t)
	v, _ := open(t, chip, rand.Reader)
	if err := v.Commit(change(map[string]string{"a": "one"})); err != nil {
		t.Fatal(err)
	}
	suspend(t, v, change(nil))
	if _, err := v.Replace(change(map[string]string{"a": "new"})); err != nil {
		t.Fatal(err)
	}
	expect(t, v, map[string]string{"a": "new"})
	if v.Suspended() {
		t.Error("still suspended")
	}
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range records.Keys("") {
		n++
	}
	if n != 2 {
		t.Errorf("%d records are left, want one and the key encryption key", n)
	}
}

// TestPowerCutDuringSuspendAndResume cuts the power at every operation and wants
// what was before or what comes after.
func TestPowerCutDuringSuspendAndResume(t *testing.T) {
	base := newChip(t)
	v, _ := open(t, base, rand.Reader)
	usual, note := map[string]string{"a": "one", "b": "two"}, map[string]string{"note": "suspended"}
	if err := v.Commit(change(usual)); err != nil {
		t.Fatal(err)
	}
	asleep := base.Clone()
	v, _ = open(t, asleep, rand.Reader)
	suspend(t, v, change(note))
	awake := map[string]string{"a": "one", "b": "three"}
	for name, c := range map[string]struct {
		chip          *flash.Memory
		do            func(*vault.Vault) (bool, error)
		before, after map[string]string
	}{
		"suspend": {base, func(v *vault.Vault) (bool, error) { return v.Suspend(wayBack(t, 1), change(note)) }, usual, note},
		"resume": {asleep, func(v *vault.Vault) (bool, error) {
			return v.Resume(wayBack(t, 1), change(map[string]string{"b": "three"}))
		}, note, awake},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[bool]int{}
			for at, lost := 1, true; lost; at++ {
				for _, mode := range []flash.Mode{flash.Before, flash.TornPrefix, flash.TornBits, flash.TornWord, flash.TornUnsteady, flash.After} {
					chip := c.chip.Clone()
					cut := flash.NewPowerCut(chip, at, flash.Outcome{Mode: mode, Seed: uint64(at)})
					err := onVault(cut, c.do)
					lost = cut.Lost()
					v, interrupted := open(t, chip, rand.Reader)
					got := contents(t, v)
					done := maps.Equal(got, c.after)
					if interrupted || !done && !maps.Equal(got, c.before) || err == nil && !done {
						t.Fatalf("cut %s operation %d (error %v): records %v, interrupted %v", mode, at, err, got, interrupted)
					}
					if seen[done]++; v.Suspended() {
						if _, err := v.Resume(wayBack(t, 1), change(nil)); err != nil {
							t.Fatalf("cut %s operation %d: %v", mode, at, err)
						}
						if a := contents(t, v)["a"]; a != "one" {
							t.Fatalf("cut %s operation %d: %q came back", mode, at, a)
						}
					}
				}
			}
			if seen[true] == 0 || seen[false] == 0 {
				t.Errorf("outcomes %v", seen)
			}
		})
	}
}

// onVault opens a vault and does something with it.
func onVault(chip flash.Device, do func(*vault.Vault) (bool, error)) error {
	s, err := store.Open(chip)
	if err != nil {
		return err
	}
	v, _, err := vault.Open(s, rand.Reader)
	if err != nil {
		return err
	}
	if err := v.Bury(); err != nil {
		return err
	}
	_, err = do(v)
	return err
}

func TestSuspendWithoutRoomChangesNothing(t *testing.T) {
	records, err := store.Open(newChip(t))
	if err != nil {
		t.Fatal(err)
	}
	full := &refusing{Store: records}
	v, _, err := vault.Open(full, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "one"}
	if err := v.Commit(change(want)); err != nil {
		t.Fatal(err)
	}
	full.commits = 1
	if done, err := v.Suspend(wayBack(t, 1), change(nil)); done || !errors.Is(err, store.ErrFull) {
		t.Errorf("suspended %v, error %v", done, err)
	}
	expect(t, v, want)
}
