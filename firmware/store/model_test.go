package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// small is a chip on which the log goes round often.
var small = flash.Geometry{PageSize: 64, PagesPerBlock: 8, Blocks: 34}

// state is what a store holds, seen from outside.
type state struct {
	values map[string]string
	root   string
}

func (s state) clone() state { return state{maps.Clone(s.values), s.root} }

func (s state) equal(o state) bool { return s.root == o.root && maps.Equal(s.values, o.values) }

// observe reads the whole of a store.
func observe(s *store.Store) state {
	seen := state{values: map[string]string{}, root: string(s.RootKey())}
	for key := range s.Keys("") {
		value, _ := s.Get(key)
		seen.values[key] = string(value)
	}
	return seen
}

// change is one step of a workload: a batch, or a new root key.
type change struct {
	ops  []op
	root string
}

// op is one record of a batch.
type op struct {
	kind  string // put, delete, prefix
	key   string
	value string
}

func (c change) batch() *store.Batch {
	b := new(store.Batch)
	for _, o := range c.ops {
		switch o.kind {
		case "put":
			b.Put(o.key, []byte(o.value))
		case "delete":
			b.Delete(o.key)
		default:
			b.DeletePrefix(o.key)
		}
	}
	return b
}

func (c change) run(s *store.Store) error {
	if c.root != "" {
		return s.ReplaceRootKey([]byte(c.root))
	}
	return s.Commit(c.batch())
}

// apply returns the state after the change.
func (c change) apply(s state) state {
	s = s.clone()
	if c.root != "" {
		s.root = c.root
	}
	for _, o := range c.ops {
		switch o.kind {
		case "put":
			s.values[o.key] = o.value
		case "delete":
			delete(s.values, o.key)
		default:
			maps.DeleteFunc(s.values, func(k, _ string) bool { return strings.HasPrefix(k, o.key) })
		}
	}
	return s
}

// randomChange draws a change of the kinds that occur in a device.
func randomChange(r *rand.Rand, largest int) change {
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}
	if r.IntN(12) == 0 {
		return change{root: text(store.RootKeySize)}
	}
	var c change
	for range 1 + r.IntN(4) {
		key := fmt.Sprintf("%c/%d", 'a'+r.IntN(3), r.IntN(6))
		switch r.IntN(12) {
		case 0, 1:
			c.ops = append(c.ops, op{kind: "delete", key: key})
		case 2:
			c.ops = append(c.ops, op{kind: "prefix", key: key[:2]})
		case 3:
			c.ops = append(c.ops, op{kind: "put", key: key, value: text(r.IntN(largest))})
		default:
			c.ops = append(c.ops, op{kind: "put", key: key, value: text(r.IntN(60))})
		}
	}
	return c
}

func mustOpen(t testing.TB, f flash.Device) *store.Store {
	t.Helper()
	s, err := store.Open(f)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func blankChip(t testing.TB, g flash.Geometry) *flash.Memory {
	t.Helper()
	m, err := flash.NewMemory(g)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func image(t testing.TB, f flash.Device) []byte {
	t.Helper()
	b := make([]byte, f.Geometry().Size())
	if err := f.Read(0, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStoreBehavesLikeAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chip := blankChip(t, small)
		s := mustOpen(t, chip)
		model := state{values: map[string]string{}}
		var seed uint64
		rt.Repeat(map[string]func(*rapid.T){
			"change": func(rt *rapid.T) {
				seed = rapid.Uint64().Draw(rt, "seed")
				c := randomChange(rand.New(rand.NewPCG(seed, 0)), 500)
				switch err := c.run(s); {
				case err == nil:
					model = c.apply(model)
				case !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrTooLarge):
					rt.Fatal(err)
				}
			},
			"reopen": func(rt *rapid.T) {
				s.Close()
				s = mustOpen(t, chip)
			},
			"": func(rt *rapid.T) {
				if got := observe(s); !got.equal(model) {
					rt.Fatalf("store holds %d values, model %d, or they differ", len(got.values), len(model.values))
				}
				if keys := slices.Collect(s.Keys("b/")); !slices.IsSorted(keys) {
					rt.Fatalf("keys are not sorted: %q", keys)
				}
			},
		})
	})
}

func TestLongRunGoesRoundTheChip(t *testing.T) {
	chip := blankChip(t, small)
	s := mustOpen(t, chip)
	model := state{values: map[string]string{}}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 5000 {
		c := randomChange(r, 400)
		switch err := c.run(s); {
		case err == nil:
			model = c.apply(model)
		case !errors.Is(err, store.ErrFull):
			t.Fatalf("change %d: %v", i, err)
		}
		if i%50 == 0 {
			s = mustOpen(t, chip)
		}
	}
	if !observe(mustOpen(t, chip)).equal(model) {
		t.Fatal("store and model differ")
	}
	least, most := chip.Wear(2), chip.Wear(2)
	for b := 3; b < small.Blocks; b++ {
		least, most = min(least, chip.Wear(b)), max(most, chip.Wear(b))
	}
	if least < 20 || most > least+least/10 {
		t.Errorf("blocks of the log were erased %d to %d times", least, most)
	}
}

func TestReplacedRootKeyLeavesNoTrace(t *testing.T) {
	chip := blankChip(t, small)
	s := mustOpen(t, chip)
	old := bytes.Repeat([]byte("old key!"), 4)
	for _, key := range [][]byte{old, bytes.Repeat([]byte{7}, store.RootKeySize)} {
		if err := s.ReplaceRootKey(key); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.RootKey(), key) || !bytes.Equal(mustOpen(t, chip).RootKey(), key) {
			t.Fatal("root key is not the new one")
		}
	}
	if bytes.Contains(image(t, chip), old[:8]) {
		t.Error("the old root key is still on the chip")
	}
}

// TestReadersSeeWholeBatches reads while a writer puts and deletes two keys at
// a time, until readers have often seen both.
func TestReadersSeeWholeBatches(t *testing.T) {
	s := mustOpen(t, blankChip(t, small))
	var pairs atomic.Int64
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for pairs.Load() < 1000 {
				switch n := len(slices.Collect(s.Keys("pair/"))); n {
				case 1:
					t.Error("half of a batch is visible")
				case 2:
					pairs.Add(1)
				}
				s.Get("pair/a")
				s.Usage()
			}
		})
	}
	for i := 0; pairs.Load() < 1000; i++ {
		kind := [...]string{"put", "delete"}[i%2]
		c := change{ops: []op{{kind: kind, key: "pair/a"}, {kind: kind, key: "pair/b"}}}
		if err := c.run(s); err != nil {
			t.Fatal(err)
		}
	}
	readers.Wait()
}

func TestClosedStoreRefusesChangesButReads(t *testing.T) {
	s := mustOpen(t, blankChip(t, small))
	c := change{ops: []op{{kind: "put", key: "key", value: "value"}}}
	if err := c.run(s); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, c := range []change{c, {root: strings.Repeat("k", store.RootKeySize)}} {
		if err := c.run(s); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
	if value, ok := s.Get("key"); !ok || string(value) != "value" {
		t.Errorf("value %q, %v", value, ok)
	}
}

func TestGetReturnsACopy(t *testing.T) {
	s := mustOpen(t, blankChip(t, small))
	given := []byte("value")
	var b store.Batch
	b.Put("key", given)
	if err := s.Commit(&b); err != nil {
		t.Fatal(err)
	}
	given[0] = 'X'
	got, _ := s.Get("key")
	got[1] = 'X'
	if again, _ := s.Get("key"); string(again) != "value" {
		t.Errorf("value became %q", again)
	}
}

func TestStoreThatLostPowerRefusesChangesUntilOpenedAgain(t *testing.T) {
	chip := blankChip(t, small)
	mustOpen(t, chip)
	s := mustOpen(t, flash.NewPowerCut(chip, 1, flash.Outcome{Mode: flash.TornBits}))
	c := change{ops: []op{{kind: "put", key: "key"}}}
	for range 2 {
		if err := c.run(s); !errors.Is(err, flash.ErrPowerLost) {
			t.Errorf("%v, want ErrPowerLost", err)
		}
	}
	if err := c.run(mustOpen(t, chip)); err != nil {
		t.Error(err)
	}
}

func TestRootKeyOfAnotherSizeIsRefused(t *testing.T) {
	s := mustOpen(t, blankChip(t, small))
	if s.RootKey() != nil {
		t.Error("a new store has a root key")
	}
	for _, n := range []int{0, 16, 33} {
		if err := s.ReplaceRootKey(make([]byte, n)); err == nil || s.RootKey() != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
