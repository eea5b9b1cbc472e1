package fuf_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// item is one data item of CBOR as the oracle's walk reads it.
type item struct {
	major    byte
	number   uint64 // of an integer; n for -1-n
	bytes    []byte // of a string
	children []item // elements, keys and values by turns, or what is tagged
}

// walk reads exactly one item in core deterministic encoding (RFC 8949, section
// 4.2.1) without floating point.
func walk(b []byte) (item, bool) {
	i, rest, ok := walkItem(b, 0)
	return i, ok && len(rest) == 0
}

func walkItem(b []byte, depth int) (i item, rest []byte, ok bool) {
	if len(b) == 0 || depth > 10 {
		return i, nil, false
	}
	i.major = b[0] >> 5
	if i.number, rest, ok = walkNumber(b); !ok {
		return i, nil, false
	}
	switch i.major {
	case 0, 1:
		return i, rest, true
	case 2, 3:
		if uint64(len(rest)) < i.number {
			return i, nil, false
		}
		i.bytes, rest = rest[:i.number], rest[i.number:]
		return i, rest, i.major == 2 || utf8.Valid(i.bytes)
	case 4, 5, 6:
		return i.walkChildren(rest, depth)
	}
	return i, nil, false
}

// walkNumber reads the number that begins an item, in its shortest form.
func walkNumber(b []byte) (n uint64, rest []byte, ok bool) {
	short := b[0] & 31
	if short < 24 {
		return uint64(short), b[1:], true
	}
	size := 1 << (short - 24)
	if short > 27 || len(b) < 1+size {
		return 0, nil, false
	}
	wide := make([]byte, 8)
	copy(wide[8-size:], b[1:1+size])
	n = binary.BigEndian.Uint64(wide)
	least := map[int]uint64{1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[size]
	return n, b[1+size:], n >= least
}

func (i item) walkChildren(b []byte, depth int) (item, []byte, bool) {
	count := map[byte]uint64{4: i.number, 5: 2 * i.number, 6: 1}[i.major]
	if count > 1000 {
		return i, nil, false
	}
	var lastKey []byte
	for n := range count {
		child, rest, ok := walkItem(b, depth+1)
		if !ok {
			return i, nil, false
		}
		if i.major == 5 && n%2 == 0 {
			key := b[:len(b)-len(rest)]
			if lastKey != nil && bytes.Compare(lastKey, key) >= 0 {
				return i, nil, false
			}
			lastKey = key
		}
		i.children = append(i.children, child)
		b = rest
	}
	return i, b, true
}

// at returns the value of an unsigned key of a map, or nothing.
func (i item) at(key uint64) item {
	for n := 0; i.major == 5 && n < len(i.children); n += 2 {
		if k := i.children[n]; k.major == 0 && k.number == key {
			return i.children[n+1]
		}
	}
	return item{}
}

// shape draws an item without its values.
func (i item) shape() string {
	var inner strings.Builder
	for _, c := range i.children {
		inner.WriteString(c.shape())
	}
	switch i.major {
	case 2:
		return "bytes"
	case 4:
		return "[" + inner.String() + "]"
	case 5:
		return "{" + inner.String() + "}"
	case 6:
		return "tag" + inner.String()
	}
	return "other"
}
