package vault

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Purposes of the two keys that others follow from.
const (
	purposeMTK = "usbhsm7 master tamper key"
	purposeKEK = "usbhsm7 key encryption key"
)

// recordKEK is the name of a key encryption key, sealed under a master tamper key.
const recordKEK = "kek"

// link is what follows from a key: where the records that it opens stand, and
// what seals them.
type link struct {
	prefix string // identifier and slash
	seal   *Sealer
}

// derive makes the link below a key. It alone knows how one follows from the
// other: by HKDF-SHA256 with the purpose.
func derive(key []byte, purpose string, entropy io.Reader) (*link, error) {
	below, err := hkdf.Key(sha256.New, key, nil, purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", purpose, err)
	}
	defer clear(below)
	id, err := hkdf.Key(sha256.New, key, nil, purpose+" identifier", 8)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", purpose, err)
	}
	seal, err := NewSealer(below, entropy)
	if err != nil {
		return nil, err
	}
	return &link{hex.EncodeToString(id) + "/", seal}, nil
}

// chain is the way from a master tamper key to the records.
type chain struct {
	top     *link // below the master tamper key
	records *link // below the key encryption key; nil until that is known
}

// put returns a sealed record of the top of the chain: its place and its value.
func (c *chain) put(name string, value []byte) (place string, sealed []byte, err error) {
	sealed, err = c.top.seal.Seal(name, value)
	return c.top.prefix + name, sealed, err
}

// get reads one.
func (c *chain) get(s Storage, name string) ([]byte, bool, error) {
	sealed, ok := s.Get(c.top.prefix + name)
	if !ok {
		return nil, false, nil
	}
	value, err := c.top.seal.Open(name, sealed)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return value, true, nil
}

// newKey returns a random key.
func newKey(entropy io.Reader) ([]byte, error) {
	key := make([]byte, KeySize)
	if _, err := io.ReadFull(entropy, key); err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	return key, nil
}

// newChain hangs a key encryption key under a new master tamper key. It returns
// that key, which the caller wipes, and the record with the sealed one.
func newChain(kek []byte, entropy io.Reader) (c *chain, mtk []byte, sealed *record, err error) {
	if mtk, err = newKey(entropy); err != nil {
		return nil, nil, nil, err
	}
	c = new(chain)
	if c.top, err = derive(mtk, purposeMTK, entropy); err != nil {
		return nil, nil, nil, err
	}
	if c.records, err = derive(kek, purposeKEK, entropy); err != nil {
		return nil, nil, nil, err
	}
	sealed = new(record)
	sealed.name, sealed.value, err = c.put(recordKEK, kek)
	return c, mtk, sealed, err
}
