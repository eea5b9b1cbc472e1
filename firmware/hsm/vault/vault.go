package vault

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"usbhsm7/firmware/store"
)

// plainPrefix stands before the names of records that are no secret and belong
// to no generation.
const plainPrefix = "plain/"

// Storage is the part of store.Store that the vault needs. Its root key is the
// master tamper key.
type Storage interface {
	Get(key string) ([]byte, bool)
	Keys(prefix string) iter.Seq[string]
	Commit(*store.Batch) error
	Usage() store.Usage
	RootKey() []byte // nil if there is none yet
	ReplaceRootKey([]byte) error
}

// Vault is the encrypted view of a store. It is for one caller at a time;
// Usage alone may be called by anyone.
type Vault struct {
	storage Storage
	entropy io.Reader
	chain   *chain
	held    *held // a suspended generation; nil: none
}

// Open reads the keys, making those that the store has not. Interrupted tells
// that there was a generation of which nothing is left: its master tamper key was
// destroyed and nothing written since. Then the caller writes something, and
// calls Bury in any case.
func Open(s Storage, entropy io.Reader) (v *Vault, interrupted bool, err error) {
	v = &Vault{storage: s, entropy: entropy, chain: new(chain)}
	if err := v.openTop(); err != nil {
		return nil, false, err
	}
	if err := v.openRecords(); err != nil {
		return nil, false, err
	}
	if err := v.loadHeld(); err != nil {
		return nil, false, err
	}
	return v, len(v.dead()) > 0 && v.empty(), nil
}

// openTop reads the master tamper key.
func (v *Vault) openTop() (err error) {
	mtk := v.storage.RootKey()
	if mtk == nil {
		if mtk, err = newKey(v.entropy); err != nil {
			return err
		}
		if err := v.storage.ReplaceRootKey(mtk); err != nil {
			return fmt.Errorf("first master tamper key: %w", err)
		}
	}
	defer clear(mtk)
	v.chain.top, err = derive(mtk, purposeMTK, v.entropy)
	return err
}

// openRecords reads the key encryption key.
func (v *Vault) openRecords() error {
	kek, ok, err := v.chain.get(v.storage, recordKEK)
	if err != nil {
		return err
	}
	if !ok {
		if kek, err = newKey(v.entropy); err != nil {
			return err
		}
		place, sealed, err := v.chain.put(recordKEK, kek)
		if err != nil {
			return err
		}
		var b store.Batch
		b.UseReserve()
		b.Put(place, sealed)
		if err := v.storage.Commit(&b); err != nil {
			return fmt.Errorf("first key encryption key: %w", err)
		}
	}
	defer clear(kek)
	v.chain.records, err = derive(kek, purposeKEK, v.entropy)
	return err
}

func (v *Vault) empty() bool {
	for range v.storage.Keys(v.chain.records.prefix) {
		return false
	}
	return true
}

// dead returns the prefixes of what no key opens any more.
func (v *Vault) dead() []string {
	live := []string{plainPrefix, v.chain.top.prefix, v.chain.records.prefix}
	if v.held != nil {
		live = append(live, v.held.prefix)
	}
	var prefixes []string
	for key := range v.storage.Keys("") {
		head, _, _ := strings.Cut(key, "/")
		prefix := head + "/"
		if !slices.Contains(live, prefix) && !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

// Bury deletes what no key opens any more, and makes the plain changes that came
// with the present master tamper key.
func (v *Vault) Bury() error {
	prefixes := v.dead()
	changes, place, err := v.postponed()
	if err != nil {
		return err
	}
	if len(prefixes) == 0 && place == "" {
		return nil
	}
	var b store.Batch
	b.UseReserve()
	for _, prefix := range prefixes {
		b.DeletePrefix(prefix)
	}
	if place != "" {
		changes.add(&b)
		b.Delete(place)
	}
	if err := v.storage.Commit(&b); err != nil {
		return fmt.Errorf("delete unreadable records: %w", err)
	}
	return nil
}

// Get returns the value of a record and whether it exists. A record that does
// not open is an error.
func (v *Vault) Get(name string) ([]byte, bool, error) {
	g := v.chain.records
	sealed, ok := v.storage.Get(g.prefix + name)
	if !ok {
		return nil, false, nil
	}
	value, err := g.seal.Open(name, sealed)
	if err != nil {
		return nil, false, fmt.Errorf("record %s: %w", name, err)
	}
	return value, true, nil
}

// Names returns the names of the records that begin with prefix, in order.
func (v *Vault) Names(prefix string) iter.Seq[string] {
	return v.names(v.chain.records.prefix, prefix)
}

func (v *Vault) names(place, prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range v.storage.Keys(place + prefix) {
			if !yield(strings.TrimPrefix(key, place)) {
				return
			}
		}
	}
}

// Commit makes a change, all or nothing; it is durable on return.
func (v *Vault) Commit(c *Change) error {
	b, err := c.batch(v.chain.records)
	if err != nil {
		return err
	}
	c.plain.add(b)
	return v.storage.Commit(b)
}

// succession is a new master tamper key with all that is to be written for it.
type succession struct {
	chain *chain
	mtk   []byte
	batch *store.Batch
}

func (s *succession) wipe() { clear(s.mtk) }

// prepare makes a new generation with the records of c.
func (v *Vault) prepare(c *Change) (*succession, error) {
	kek, err := newKey(v.entropy)
	if err != nil {
		return nil, err
	}
	defer clear(kek)
	return v.prepareWith(kek, c)
}

// prepareWith hangs a generation that may exist under a new master tamper key.
func (v *Vault) prepareWith(kek []byte, c *Change) (*succession, error) {
	chain, mtk, sealed, err := newChain(kek, v.entropy)
	if err != nil {
		return nil, err
	}
	b, err := c.batch(chain.records)
	if err != nil {
		return nil, err
	}
	b.Put(sealed.name, sealed.value)
	after, err := c.postpone(chain)
	if err != nil {
		return nil, err
	}
	if after != nil {
		b.Put(after.name, after.value)
	}
	return &succession{chain, mtk, b}, nil
}

// Replace destroys every record and leaves those of c. When it returns nil,
// nothing of the old generation can be read from the flash any more. After an
// error, destroyed tells that the old generation may be gone all the same; then
// the vault is of no use until it is opened again.
func (v *Vault) Replace(c *Change) (destroyed bool, err error) {
	next, err := v.prepare(c)
	if err != nil {
		return false, err
	}
	defer next.wipe()
	written := v.storage.Commit(next.batch)
	if err := v.storage.ReplaceRootKey(next.mtk); err != nil {
		return true, fmt.Errorf("replace the master tamper key: %w", err)
	}
	v.chain, v.held = next.chain, nil
	buried := v.Bury() // unreadable already: what is left, the next power-on deletes
	if written == nil {
		return true, nil
	}
	if err := errors.Join(buried, v.storage.Commit(next.batch)); err != nil {
		return true, err
	}
	return true, v.Bury()
}

// Plain returns a record that is no secret and outlives generations.
func (v *Vault) Plain(name string) ([]byte, bool) { return v.storage.Get(plainPrefix + name) }

// PlainNames returns the names of the plain records that begin with prefix, in
// order.
func (v *Vault) PlainNames(prefix string) iter.Seq[string] { return v.names(plainPrefix, prefix) }

// PutPlain writes one.
func (v *Vault) PutPlain(name string, value []byte) error {
	var b store.Batch
	b.Put(plainPrefix+name, value)
	return v.storage.Commit(&b)
}

// Usage returns the size of the store and what of it is free, in bytes.
func (v *Vault) Usage() store.Usage { return v.storage.Usage() }
