package server

import "math/bits"

// pool keeps buffers for reuse, in sizes that are powers of two. It is not safe
// for concurrent use. Buffers never leave the connection that they belong to.
type pool struct {
	free [maxClass + 1][][]byte
	kept int // bytes in free
}

const (
	minClass = 6       // 64 bytes
	maxClass = 24      // proto.MaxTransfer
	maxKept  = 8 << 20 // more is left to the garbage collector
)

// cost returns how much memory a buffer of n bytes takes, 0 <= n <= 1<<maxClass.
func cost(n int) int {
	if n == 0 {
		return 0
	}
	return 1 << class(n)
}

func class(n int) int { return max(bits.Len(uint(n-1)), minClass) }

// get returns a buffer of n bytes with arbitrary content.
func (p *pool) get(n int) []byte {
	if n == 0 {
		return nil
	}
	c := class(n)
	if last := len(p.free[c]) - 1; last >= 0 {
		b := p.free[c][last]
		p.free[c] = p.free[c][:last]
		p.kept -= cap(b)
		return b[:n]
	}
	return make([]byte, n, 1<<c)
}

// put takes back a buffer of get.
func (p *pool) put(b []byte) {
	if cap(b) == 0 || p.kept+cap(b) > maxKept {
		return
	}
	c := class(cap(b))
	p.free[c] = append(p.free[c], b)
	p.kept += cap(b)
}
