package frame_test

import (
	"bytes"
	"testing"

	"usbhsm7/firmware/frame"
)

func TestBuffersHaveTheLengthAskedFor(t *testing.T) {
	var kept frame.Buffers
	for _, b := range []*frame.Buffers{nil, &kept} {
		for _, n := range []int{0, 1, 4096, 4097, 65_600, 1 << 18, 1<<18 + 1, frame.MaxMessage} {
			for range 2 {
				p := b.Get(n)
				if len(p) != n || cap(p) > max(2*n, 8) {
					t.Errorf("asked for %d bytes: %d, with room for %d", n, len(p), cap(p))
				}
				b.Put(p)
			}
		}
	}
}

// Whatever becomes of the memory, what was in it is gone.
func TestBuffersAreWiped(t *testing.T) {
	var b frame.Buffers
	for _, p := range [][]byte{b.Get(5000), b.Get(10), []byte("a payload from elsewhere")} {
		for i := range p {
			p[i] = 'x'
		}
		b.Put(p)
		if bytes.IndexByte(p, 'x') >= 0 {
			t.Errorf("%d bytes were not wiped", len(p))
		}
	}
}

func TestLargeBuffersAreUsedAgain(t *testing.T) {
	var b frame.Buffers
	allocated := testing.AllocsPerRun(100, func() { b.Put(b.Get(65_600)) })
	if allocated > 1 { // the header of the slice
		t.Errorf("%v allocations each time", allocated)
	}
}
