package store

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestIndexBehavesLikeASortedMap(t *testing.T) {
	keys := rapid.StringMatching(`[ab]{0,3}[0-9]{1,2}`)
	rapid.Check(t, func(rt *rapid.T) {
		x, live := &index{}, int64(0)
		model := map[string]*entry{}
		change := func(r record) {
			before := slices.Collect(x.keys())
			old := x
			x, live = x.apply(r, live)
			if !slices.Equal(slices.Collect(old.keys()), before) {
				rt.Fatal("a change altered the index before it")
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				e := &entry{value: make([]byte, rapid.IntRange(0, 40).Draw(rt, "size"))}
				key := keys.Draw(rt, "key")
				change(record{op: opPut, key: key, entry: e})
				model[key] = e
			},
			"delete": func(rt *rapid.T) {
				key := keys.Draw(rt, "key")
				change(record{op: opDelete, key: key})
				delete(model, key)
			},
			"delete prefix": func(rt *rapid.T) {
				prefix := rapid.SampledFrom([]string{"", "a", "ab", "1", "b2"}).Draw(rt, "prefix")
				change(record{op: opDeletePrefix, key: prefix})
				maps.DeleteFunc(model, func(k string, _ *entry) bool { return strings.HasPrefix(k, prefix) })
			},
			"": func(rt *rapid.T) { compareIndex(rt, x, live, model) },
		})
	})
}

// keys yields all keys in the order of the index.
func (x *index) keys() func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range x.from("") {
			if !yield(key) {
				return
			}
		}
	}
}

func compareIndex(rt *rapid.T, x *index, live int64, model map[string]*entry) {
	want := slices.Sorted(maps.Keys(model))
	if got := slices.Collect(x.keys()); !slices.Equal(got, want) || x.size != len(want) {
		rt.Fatalf("index holds %q, want %q", got, want)
	}
	var total int64
	for key, e := range model {
		total += cost(key, e.value)
		if x.get(key) != e {
			rt.Fatalf("another entry for %q", key)
		}
	}
	if live != total {
		rt.Fatalf("cost is %d, want %d", live, total)
	}
	for _, chunk := range x.chunks {
		if len(chunk) == 0 || len(chunk) > maxChunk {
			rt.Fatalf("a chunk of %d", len(chunk))
		}
	}
}

func TestIndexSplitsAndKeepsOrderWhenLarge(t *testing.T) {
	x := &index{}
	for i := range 3000 {
		key := string([]byte{byte(i * 7919 >> 8), byte(i * 7919), byte(i >> 8)})
		x = x.put(key, &entry{})
	}
	if len(x.chunks) < 3000/maxChunk || !slices.IsSorted(slices.Collect(x.keys())) {
		t.Errorf("%d chunks, or not sorted", len(x.chunks))
	}
	for key := range x.keys() {
		x = x.remove(key)
	}
	if x.size != 0 || len(x.chunks) != 0 {
		t.Errorf("%d keys in %d chunks are left", x.size, len(x.chunks))
	}
}
