package store_test

import (
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

func TestSplitBatchesMakeTheSameChanges(t *testing.T) {
	chip, err := flash.NewMemory(flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 64})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	var b store.Batch
	b.Put("a/1", []byte("one"))
	b.Put("b/1", nil)
	b.DeletePrefix("a/")
	b.Put("a/2", []byte("two"))
	b.Delete("b/1")
	matching, others := b.Split(func(key string) bool { return strings.HasPrefix(key, "a/") })
	for i, want := range [][]string{{"b/0"}, {"a/2", "b/0"}} {
		part := []*store.Batch{others, matching}[i]
		if i == 0 {
			part.Put("b/0", nil)
		}
		if err := s.Commit(part); err != nil {
			t.Fatal(err)
		}
		if got := slices.Collect(s.Keys("")); !slices.Equal(got, want) {
			t.Errorf("after part %d there is %v, want %v", i, got, want)
		}
	}
	if two, _ := s.Get("a/2"); string(two) != "two" {
		t.Errorf("a/2 is %q", two)
	}
}
