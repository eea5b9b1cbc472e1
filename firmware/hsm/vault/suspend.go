package vault

import (
	"errors"
	"fmt"
	"iter"
)

// recordHeld is the name of what leads back to a suspended generation.
const recordHeld = "held"

// held is a suspended generation.
type held struct {
	prefix string // of its records
	kek    []byte // its key encryption key, sealed under the key of who suspended it
}

// Suspended reports whether a generation is suspended.
func (v *Vault) Suspended() bool { return v.held != nil }

// Suspend makes every record unreadable from the flash, without destroying it,
// and goes on with those of c alone, in a generation of their own. The way back
// is sealed under key, which must not be found on the flash afterwards. If there
// is no room for what is to be written nothing is changed; otherwise an error
// means what it means for Replace.
func (v *Vault) Suspend(key *Sealer, c *Change) (suspended bool, err error) {
	if v.held != nil {
		return false, errors.New("a generation is suspended already")
	}
	kek, _, err := v.chain.get(v.storage, recordKEK)
	if err != nil {
		return false, err
	}
	defer clear(kek)
	way := &held{prefix: v.chain.records.prefix}
	if way.kek, err = key.Seal(recordHeld, kek); err != nil {
		return false, err
	}
	next, err := v.prepare(c)
	if err != nil {
		return false, err
	}
	defer next.wipe()
	place, value, err := next.chain.put(recordHeld, append([]byte(way.prefix), way.kek...))
	if err != nil {
		return false, err
	}
	next.batch.Put(place, value)
	if err := v.storage.Commit(next.batch); err != nil {
		return false, err
	}
	if err := v.storage.ReplaceRootKey(next.mtk); err != nil {
		return true, fmt.Errorf("replace the master tamper key: %w", err)
	}
	v.chain, v.held = next.chain, way
	_ = v.Bury() // unreadable already: what is left, the next power-on deletes
	return true, nil
}

// Resume goes back to the suspended generation, with the key that Suspend had,
// and changes it by c; the present generation is destroyed. The error is
// ErrSealed if the key is another one. Resumed tells, after an error, that the
// way back may have been gone all the same; then the vault is to be opened again.
func (v *Vault) Resume(key *Sealer, c *Change) (resumed bool, err error) {
	if v.held == nil {
		return false, errors.New("no generation is suspended")
	}
	kek, err := key.Open(recordHeld, v.held.kek)
	if err != nil {
		return false, err
	}
	defer clear(kek)
	next, err := v.prepareWith(kek, c)
	if err != nil {
		return false, err
	}
	defer next.wipe()
	if err := v.storage.Commit(next.batch); err != nil {
		return false, err
	}
	if err := v.storage.ReplaceRootKey(next.mtk); err != nil {
		return true, fmt.Errorf("replace the master tamper key: %w", err)
	}
	v.chain, v.held = next.chain, nil
	_ = v.Bury() // unreadable already: what is left, the next power-on deletes
	return true, nil
}

// loadHeld finds a suspended generation.
func (v *Vault) loadHeld() error {
	const prefix = 2*8 + 1 // an identifier in hexadecimal, and a slash
	value, ok, err := v.chain.get(v.storage, recordHeld)
	if err != nil || !ok {
		return err
	}
	if len(value) < prefix {
		return fmt.Errorf("%s: %w", recordHeld, ErrSealed)
	}
	v.held = &held{string(value[:prefix]), value[prefix:]}
	return nil
}

// Held returns the records of a suspended generation, each by its name and as it is
// sealed, in order of the names.
func (v *Vault) Held() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if v.held == nil {
			return
		}
		for name := range v.names(v.held.prefix, "") {
			sealed, _ := v.storage.Get(v.held.prefix + name)
			if !yield(name, sealed) {
				return
			}
		}
	}
}
