package store

import (
	"iter"
	"slices"
	"strings"
)

// maxChunk bounds what a single change copies.
const maxChunk = 128

// index is an immutable sorted map from key to entry: a row of sorted chunks.
// A change returns a new index that shares all chunks but the one it touches.
type index struct {
	chunks [][]item // none empty
	size   int
}

type item struct {
	key   string
	entry *entry
}

// buildIndex returns an index of a map.
func buildIndex(entries map[string]*entry) *index {
	items := make([]item, 0, len(entries))
	for key, e := range entries {
		items = append(items, item{key, e})
	}
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.key, b.key) })
	x := &index{size: len(items)}
	for chunk := range slices.Chunk(items, maxChunk/2) {
		x.chunks = append(x.chunks, chunk)
	}
	return x
}

// get returns the entry of a key, or nil.
func (x *index) get(key string) *entry {
	c := x.chunkOf(key)
	if c == len(x.chunks) {
		return nil
	}
	if i, ok := position(x.chunks[c], key); ok {
		return x.chunks[c][i].entry
	}
	return nil
}

// from yields the items whose keys begin with prefix, in order.
func (x *index) from(prefix string) iter.Seq2[string, *entry] {
	return func(yield func(string, *entry) bool) {
		c := x.chunkOf(prefix)
		if c == len(x.chunks) {
			return
		}
		i, _ := position(x.chunks[c], prefix)
		for ; c < len(x.chunks); c, i = c+1, 0 {
			for _, it := range x.chunks[c][i:] {
				if !strings.HasPrefix(it.key, prefix) || !yield(it.key, it.entry) {
					return
				}
			}
		}
	}
}

// apply returns the index after one change, and what its records cost then.
func (x *index) apply(r record, live int64) (*index, int64) {
	switch r.op {
	case opPut:
		if old := x.get(r.key); old != nil {
			live -= cost(r.key, old.value)
		}
		return x.put(r.key, r.entry), live + cost(r.key, r.entry.value)
	case opDelete:
		if old := x.get(r.key); old != nil {
			return x.remove(r.key), live - cost(r.key, old.value)
		}
		return x, live
	default:
		return x.removePrefix(r.key, live)
	}
}

func (x *index) put(key string, e *entry) *index {
	if len(x.chunks) == 0 {
		return &index{chunks: [][]item{{{key, e}}}, size: 1}
	}
	c := min(x.chunkOf(key), len(x.chunks)-1)
	chunk := x.chunks[c]
	i, found := position(chunk, key)
	if found {
		chunk = slices.Clone(chunk)
		chunk[i].entry = e
		return x.replace(c, x.size, chunk)
	}
	chunk = slices.Insert(slices.Clip(chunk), i, item{key, e})
	if len(chunk) <= maxChunk {
		return x.replace(c, x.size+1, chunk)
	}
	half := len(chunk) / 2
	return x.replace(c, x.size+1, slices.Clip(chunk[:half]), chunk[half:])
}

// remove takes out a key that is there.
func (x *index) remove(key string) *index {
	c := x.chunkOf(key)
	chunk := x.chunks[c]
	i, _ := position(chunk, key)
	if len(chunk) == 1 {
		return x.replace(c, x.size-1)
	}
	return x.replace(c, x.size-1, slices.Concat(chunk[:i], chunk[i+1:]))
}

func (x *index) removePrefix(prefix string, live int64) (*index, int64) {
	kept := make(map[string]*entry, x.size)
	for key, e := range x.from("") {
		if strings.HasPrefix(key, prefix) {
			live -= cost(key, e.value)
		} else {
			kept[key] = e
		}
	}
	if len(kept) == x.size {
		return x, live
	}
	return buildIndex(kept), live
}

// replace returns an index with other chunks in the place of one.
func (x *index) replace(c, size int, chunks ...[]item) *index {
	return &index{chunks: slices.Concat(x.chunks[:c], chunks, x.chunks[c+1:]), size: size}
}

// chunkOf returns the first chunk that does not end before key.
func (x *index) chunkOf(key string) int {
	c, _ := slices.BinarySearchFunc(x.chunks, key, func(chunk []item, key string) int {
		return strings.Compare(chunk[len(chunk)-1].key, key)
	})
	return c
}

func position(chunk []item, key string) (int, bool) {
	return slices.BinarySearchFunc(chunk, key, func(it item, key string) int {
		return strings.Compare(it.key, key)
	})
}
