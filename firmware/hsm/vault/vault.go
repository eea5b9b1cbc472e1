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

// Storage is the part of store.Store that the vault needs.
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
	current *generation
}

// Open reads the root key, making one if the store has none, and deletes what
// belongs to other generations. Interrupted tells that there was a generation
// of which nothing is left: its root key was destroyed and nothing written since.
func Open(s Storage, entropy io.Reader) (v *Vault, interrupted bool, err error) {
	v = &Vault{storage: s, entropy: entropy}
	root := s.RootKey()
	if root == nil {
		if root, err = v.newRoot(); err != nil {
			return nil, false, err
		}
		if err := s.ReplaceRootKey(root); err != nil {
			return nil, false, fmt.Errorf("first root key: %w", err)
		}
	}
	defer clear(root)
	if v.current, err = derive(root, entropy); err != nil {
		return nil, false, err
	}
	dead := v.dead()
	return v, len(dead) > 0 && v.empty(), v.bury(dead)
}

func (v *Vault) empty() bool {
	for range v.storage.Keys(v.current.prefix) {
		return false
	}
	return true
}

func (v *Vault) newRoot() ([]byte, error) {
	root := make([]byte, KeySize)
	if _, err := io.ReadFull(v.entropy, root); err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	return root, nil
}

// dead returns the prefixes of all generations but the current one.
func (v *Vault) dead() []string {
	var prefixes []string
	for key := range v.storage.Keys("") {
		generation, _, _ := strings.Cut(key, "/")
		prefix := generation + "/"
		if prefix != v.current.prefix && prefix != plainPrefix && !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

// bury deletes generations that cannot be read any more.
func (v *Vault) bury(prefixes []string) error {
	if len(prefixes) == 0 {
		return nil
	}
	var b store.Batch
	for _, prefix := range prefixes {
		b.DeletePrefix(prefix)
	}
	if err := v.storage.Commit(&b); err != nil {
		return fmt.Errorf("delete unreadable records: %w", err)
	}
	return nil
}

// Get returns the value of a record and whether it exists. A record that does
// not open is an error.
func (v *Vault) Get(name string) ([]byte, bool, error) {
	sealed, ok := v.storage.Get(v.current.prefix + name)
	if !ok {
		return nil, false, nil
	}
	value, err := v.current.seal.Open(name, sealed)
	if err != nil {
		return nil, false, fmt.Errorf("record %s: %w", name, err)
	}
	return value, true, nil
}

// Names returns the names of the records that begin with prefix, in order.
func (v *Vault) Names(prefix string) iter.Seq[string] {
	generation := v.current.prefix
	return func(yield func(string) bool) {
		for key := range v.storage.Keys(generation + prefix) {
			if !yield(strings.TrimPrefix(key, generation)) {
				return
			}
		}
	}
}

// Change is a list of records to write and to delete together.
type Change struct {
	// Urgent changes may use the room that the store keeps back when it is full.
	Urgent bool

	puts    []record
	deletes []string
	plain   []record // a nil value: to be deleted
}

type record struct {
	name  string
	value []byte
}

// Put writes a record; the value is not copied.
func (c *Change) Put(name string, value []byte) { c.puts = append(c.puts, record{name, value}) }

// Delete deletes a record. One that does not exist is no error.
func (c *Change) Delete(name string) { c.deletes = append(c.deletes, name) }

// PutPlain writes a record that is no secret and outlives generations.
func (c *Change) PutPlain(name string, value []byte) {
	c.plain = append(c.plain, record{name, value})
}

// DeletePlain deletes one.
func (c *Change) DeletePlain(name string) { c.plain = append(c.plain, record{name, nil}) }

// Empty reports whether there is nothing to do.
func (c *Change) Empty() bool { return len(c.puts)+len(c.deletes)+len(c.plain) == 0 }

// Wipe overwrites the values that were to be written.
func (c *Change) Wipe() {
	for _, r := range c.puts {
		clear(r.value)
	}
}

// batch seals the change for a generation.
func (c *Change) batch(g *generation) (*store.Batch, error) {
	var b store.Batch
	if c.Urgent {
		b.UseReserve()
	}
	for _, name := range c.deletes {
		b.Delete(g.prefix + name)
	}
	for _, r := range c.puts {
		sealed, err := g.seal.Seal(r.name, r.value)
		if err != nil {
			return nil, err
		}
		b.Put(g.prefix+r.name, sealed)
	}
	for _, r := range c.plain {
		if r.value == nil {
			b.Delete(plainPrefix + r.name)
		} else {
			b.Put(plainPrefix+r.name, r.value)
		}
	}
	return &b, nil
}

// Commit makes a change, all or nothing; it is durable on return.
func (v *Vault) Commit(c *Change) error {
	b, err := c.batch(v.current)
	if err != nil {
		return err
	}
	return v.storage.Commit(b)
}

// Replace destroys every record and leaves those of c. When it returns nil,
// nothing of the old generation can be read from the flash any more. After an
// error, destroyed tells that the old generation may be gone all the same; then
// the vault is of no use until it is opened again.
func (v *Vault) Replace(c *Change) (destroyed bool, err error) {
	root, err := v.newRoot()
	if err != nil {
		return false, err
	}
	defer clear(root)
	next, err := derive(root, v.entropy)
	if err != nil {
		return false, err
	}
	b, err := c.batch(next)
	if err != nil {
		return false, err
	}
	written := v.storage.Commit(b)
	if err := v.storage.ReplaceRootKey(root); err != nil {
		return true, fmt.Errorf("replace the root key: %w", err)
	}
	v.current = next
	buried := v.bury(v.dead()) // unreadable already: what is left, Open deletes
	if written == nil {
		return true, nil
	}
	return true, errors.Join(buried, v.storage.Commit(b))
}

// Plain returns a record that is no secret and outlives generations.
func (v *Vault) Plain(name string) ([]byte, bool) { return v.storage.Get(plainPrefix + name) }

// PlainNames returns the names of the plain records that begin with prefix, in
// order.
func (v *Vault) PlainNames(prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range v.storage.Keys(plainPrefix + prefix) {
			if !yield(strings.TrimPrefix(key, plainPrefix)) {
				return
			}
		}
	}
}

// PutPlain writes one.
func (v *Vault) PutPlain(name string, value []byte) error {
	var b store.Batch
	b.Put(plainPrefix+name, value)
	return v.storage.Commit(&b)
}

// Usage returns the size of the store and what of it is free, in bytes.
func (v *Vault) Usage() store.Usage { return v.storage.Usage() }
