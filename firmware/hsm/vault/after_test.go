package vault_test

import (
	"crypto/rand"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// TestPlainRecordsChangeWithTheGeneration cuts the power at every operation of a
// Replace that changes plain records too.
func TestPlainRecordsChangeWithTheGeneration(t *testing.T) {
	base := newChip(t)
	v, _ := open(t, base, rand.Reader)
	first := change(map[string]string{"a": "old"})
	first.PutPlain("log/1", []byte("one"))
	first.PutPlain("log/2", []byte("two"))
	first.PutPlain("head", []byte("two"))
	if err := v.Commit(first); err != nil {
		t.Fatal(err)
	}
	second := func() *vault.Change {
		c := change(map[string]string{"a": "new"})
		c.PutPlain("log/3", []byte("three"))
		c.DeletePlainPrefix("log/")
		c.DeletePlain("head")
		return c
	}
	seen := map[string]int{}
	for at, lost := 1, true; lost; at++ {
		for _, mode := range []flash.Mode{flash.Before, flash.TornPrefix, flash.TornBits, flash.TornWord, flash.TornUnsteady, flash.After} {
			chip := base.Clone()
			cut := flash.NewPowerCut(chip, at, flash.Outcome{Mode: mode, Seed: uint64(at)})
			if records, err := store.Open(cut); err == nil {
				if v, _, err := vault.Open(records, rand.Reader); err == nil {
					_, _ = v.Replace(second())
				}
			}
			lost = cut.Lost()
			v, _ := open(t, chip, rand.Reader)
			state := contents(t, v)["a"]
			for _, name := range []string{"log/1", "log/2", "log/3", "head"} {
				if _, ok := v.Plain(name); ok {
					state += " " + name
				}
			}
			if seen[state]++; state != "old log/1 log/2 head" && state != "new log/3" {
				t.Fatalf("cut %s operation %d: %q", mode, at, state)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("outcomes seen: %v", seen)
	}
}
