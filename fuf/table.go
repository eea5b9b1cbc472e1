package fuf

import (
	"crypto/sha256"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// The table has an entry for each chunk: its digest as it is in the file, by
// which anybody can verify it, and its tag, by which a device with the key finds
// that it has the same content already.
const (
	tagSize   = 16
	entrySize = sha256.Size + tagSize
)

// Tag tells, to who has the key of a file, whether a chunk of a payload is the
// same as another. It says nothing to anybody else.
type Tag [tagSize]byte

type table []byte

func (t table) chunks() int { return len(t) / entrySize }

func (t table) entry(i int) []byte { return t[i*entrySize : (i+1)*entrySize] }

func (t table) digest(i int) Digest { return Digest(t.entry(i)[:sha256.Size]) }

func (t table) tag(i int) Tag { return Tag(t.entry(i)[sha256.Size:]) }

// root returns the root of the Merkle tree (RFC 6962, section 2.1) whose leaves
// are the entries.
func (t table) root() (Digest, error) {
	hasher := rfc6962.DefaultHasher
	factory := compact.RangeFactory{Hash: hasher.HashChildren}
	tree := factory.NewEmptyRange(0)
	for i := range t.chunks() {
		if err := tree.Append(hasher.HashLeaf(t.entry(i)), nil); err != nil {
			return Digest{}, fmt.Errorf("table of chunks: %w", err)
		}
	}
	root, err := tree.GetRootHash(nil)
	if err != nil {
		return Digest{}, fmt.Errorf("table of chunks: %w", err)
	}
	return Digest(root), nil
}
