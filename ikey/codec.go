package ikey

import (
	"bytes"
	"fmt"
)

// How contents are written on a key: version, kind, set, M, N, index, share,
// check, without gaps. Every field has one size, and so has the whole.
const (
	contentsVersion = 1
	// CheckSize is the length of Contents.Check in bytes.
	CheckSize = 32
	// ContentsSize is the length of encoded contents in bytes.
	ContentsSize = 1 + 1 + len(Set{}) + 3 + SecretSize + CheckSize
)

// Encode returns contents as they are written on a key: the same contents always
// give the same ContentsSize bytes, which are as secret as the share among them.
// The error wraps ErrContents if the contents make no sense.
func (c *Contents) Encode() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, ContentsSize)
	b = append(b, contentsVersion, uint8(c.Kind))
	b = append(b, c.Set[:]...)
	b = append(b, c.M, c.N, c.Index)
	b = append(b, c.Share...)
	return append(b, c.Check...), nil
}

// DecodeContents is the reverse of Encode. It shares no memory with b. The error
// wraps ErrContents; it is ErrVersion whatever follows another version's number.
func DecodeContents(b []byte) (Contents, error) {
	switch {
	case len(b) > 0 && b[0] != contentsVersion:
		return Contents{}, fmt.Errorf("%w: %d, want %d", ErrVersion, b[0], contentsVersion)
	case len(b) != ContentsSize:
		return Contents{}, fmt.Errorf("%w: %d bytes, want %d", ErrContents, len(b), ContentsSize)
	}
	c := Contents{Kind: Kind(b[1])}
	rest := b[2+copy(c.Set[:], b[2:]):]
	c.M, c.N, c.Index = rest[0], rest[1], rest[2]
	rest = rest[3:]
	c.Share, c.Check = bytes.Clone(rest[:SecretSize]), bytes.Clone(rest[SecretSize:])
	if err := c.Validate(); err != nil {
		c.Wipe()
		return Contents{}, err
	}
	return c, nil
}

// Validate checks every field by itself. The error wraps ErrContents and has no
// secret in it.
func (c *Contents) Validate() error {
	switch {
	case c.Kind == Blank || c.Kind > lastKind:
		return fmt.Errorf("%w: kind %d", ErrContents, c.Kind)
	case c.N < 1 || c.N > MaxKeys || c.M < 1 || c.M > c.N:
		return fmt.Errorf("%w: %d of %d keys", ErrContents, c.M, c.N)
	case c.Index < 1 || c.Index > c.N:
		return fmt.Errorf("%w: key %d of %d", ErrContents, c.Index, c.N)
	case len(c.Share) != SecretSize || len(c.Check) != CheckSize:
		return fmt.Errorf("%w: share of %d bytes, check of %d", ErrContents, len(c.Share), len(c.Check))
	}
	return nil
}

// Wipe overwrites what is secret.
func (c *Contents) Wipe() { clear(c.Share) }
