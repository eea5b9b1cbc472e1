package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// fillUp puts values until there is no room, and returns what is there.
func fillUp(t testing.TB, s *store.Store) state {
	t.Helper()
	for i := 0; ; i++ {
		err := change{ops: []op{{kind: "put", key: fmt.Sprintf("object/%04d", i), value: strings.Repeat("x", 100+i%50)}}}.run(s)
		if errors.Is(err, store.ErrFull) {
			return observe(s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func sortedKeys(s state) []string { return slices.Sorted(maps.Keys(s.values)) }

func TestFullStoreRefusesGrowthAndChangesNothing(t *testing.T) {
	chip := blankChip(t, small)
	s := mustOpen(t, chip)
	now := fillUp(t, s)
	before := image(t, chip)
	long := strings.Repeat("y", 300)
	for name, ops := range map[string][]op{
		"new value":       {{kind: "put", key: "new", value: long}},
		"longer value":    {{kind: "put", key: "object/0000", value: long}},
		"part of a batch": {{kind: "delete", key: "object/0000"}, {kind: "put", key: "new", value: long}},
	} {
		if err := (change{ops: ops}).run(s); !errors.Is(err, store.ErrFull) {
			t.Errorf("%s: %v, want ErrFull", name, err)
		}
	}
	if !observe(s).equal(now) || !bytes.Equal(image(t, chip), before) {
		t.Error("a refused batch changed something")
	}
}

func TestFullStoreStillDeletesAndCounts(t *testing.T) {
	chip := blankChip(t, small)
	s := mustOpen(t, chip)
	now := fillUp(t, s)
	var first store.Batch
	first.Put("counter/so", []byte{1})
	first.UseReserve()
	if err := s.Commit(&first); err != nil {
		t.Fatalf("first count: %v", err)
	}
	for i := range 2000 {
		var b store.Batch
		b.Put("counter/so", fmt.Append(nil, i))
		if err := s.Commit(&b); err != nil {
			t.Fatalf("count %d: %v", i, err)
		}
	}
	for i, key := range sortedKeys(now) {
		var b store.Batch
		b.Delete(key)
		b.Put("counter/so", fmt.Append(nil, i))
		if err := s.Commit(&b); err != nil {
			t.Fatalf("delete %s: %v", key, err)
		}
	}
	if u := mustOpen(t, chip).Usage(); u.Free < u.Total-100 {
		t.Errorf("%+v after everything but a counter was deleted", u)
	}
	fillUp(t, s)
}

func TestFullStoreIsEmptiedByOnePrefix(t *testing.T) {
	chip := blankChip(t, small)
	s := mustOpen(t, chip)
	fillUp(t, s)
	if err := (change{ops: []op{{kind: "prefix"}}}).run(s); err != nil {
		t.Fatal(err)
	}
	if u := s.Usage(); u.Free != u.Total {
		t.Errorf("%+v in an empty store", u)
	}
	fillUp(t, s)
	if n := len(observe(mustOpen(t, chip)).values); n == 0 {
		t.Error("nothing there after filling the store again")
	}
}

// TestCommitDoesBoundedWork overwrites a few values of a store that is as full
// as it can be, where old and still needed values make up most of the log.
func TestCommitDoesBoundedWork(t *testing.T) {
	g := flash.Geometry{PageSize: 256, PagesPerBlock: 4, Blocks: 514}
	chip := blankChip(t, g)
	operations := 0
	s := mustOpen(t, flash.NewTap(chip, func(flash.Operation) error { operations++; return nil }))
	now := fillUp(t, s)
	keys := sortedKeys(now)
	r := rand.New(rand.NewPCG(5, 5))
	most, total := 0, 0
	for i := range 20000 {
		operations = 0
		key := keys[r.IntN(8)]
		if err := (change{ops: []op{{kind: "put", key: key, value: now.values[key]}}}).run(s); err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
		most, total = max(most, operations), total+operations
	}
	t.Logf("most %d operations, %.1f on average", most, float64(total)/20000)
	if most > 64 {
		t.Errorf("a commit took %d operations", most)
	}
}

func TestLimitsAreReported(t *testing.T) {
	s := mustOpen(t, blankChip(t, flash.DefaultGeometry()))
	cases := map[string]func(*store.Batch){
		"empty key":      func(b *store.Batch) { b.Put("", nil) },
		"long key":       func(b *store.Batch) { b.Put(strings.Repeat("k", store.MaxKey+1), nil) },
		"long value":     func(b *store.Batch) { b.Put("k", make([]byte, store.MaxValue+1)) },
		"delete nothing": func(b *store.Batch) { b.Delete("") },
		"large batch": func(b *store.Batch) {
			for i := range 3 {
				b.Put(fmt.Sprint(i), make([]byte, store.MaxValue))
			}
		},
	}
	for name, fill := range cases {
		b := new(store.Batch)
		b.Put("before", nil)
		fill(b)
		if err := s.Commit(b); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(observe(s).values) != 0 {
		t.Error("a refused batch changed something")
	}
	var b store.Batch
	b.Put(strings.Repeat("k", store.MaxKey), bytes.Repeat([]byte{1}, store.MaxValue))
	if err := s.Commit(&b); err != nil {
		t.Errorf("largest record: %v", err)
	}
	const framing = 24 + 2*(8+1) + 16 // header, two records with keys of a byte, seal
	b = store.Batch{}
	b.Put("a", make([]byte, store.MaxValue))
	b.Put("b", make([]byte, s.MaxBatch()-framing-store.MaxValue))
	if b.Size() != s.MaxBatch() {
		t.Errorf("batch of %d bytes, should be %d", b.Size(), s.MaxBatch())
	}
	if err := s.Commit(&b); err != nil {
		t.Errorf("batch of %d bytes: %v", b.Size(), err)
	}
}
