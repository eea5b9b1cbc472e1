package frame

import (
	"math/bits"
	"sync"
)

// Buffers keeps the memory of large payloads for others to come: to allocate it
// anew costs more than to copy what it holds. Small ones are left to the garbage
// collector, which also takes what is kept and not used. The zero value is ready;
// a nil *Buffers keeps nothing. It may be used by several goroutines.
type Buffers struct {
	classes [maxClass - minClass + 1]sync.Pool // of *[]byte, by capacity
}

// Capacities are powers of two.
const (
	minClass = 12 // 4 KiB
	maxClass = 18 // 256 KiB
)

// Get returns n bytes of arbitrary content.
func (b *Buffers) Get(n int) []byte {
	class := bits.Len(uint(max(n, 1) - 1))
	if b == nil || class < minClass || class > maxClass {
		return make([]byte, n)
	}
	if kept, ok := b.classes[class-minClass].Get().(*[]byte); ok {
		return (*kept)[:n]
	}
	return make([]byte, n, 1<<class)
}

// Put wipes p, which nobody uses any more, and keeps its memory if it is from Get.
func (b *Buffers) Put(p []byte) {
	clear(p)
	class := bits.Len(uint(cap(p))) - 1
	if b == nil || class < minClass || class > maxClass || cap(p) != 1<<class {
		return
	}
	kept := p[:0]
	b.classes[class-minClass].Put(&kept)
}
