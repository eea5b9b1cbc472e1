package vault

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/store"
)

// recordAfter is the name of the plain changes that come with a new master
// tamper key. Plain records belong to no generation, so that writing them with
// the records of the next one would make them count before it does. They wait
// in the next one instead, and are made when its key is in place: by Bury.
const recordAfter = "after"

// plainChanges is recordAfter.
type plainChanges struct {
	Prefixes []string      `cbor:"1,keyasint,omitempty"` // deleted first
	Deletes  []string      `cbor:"2,keyasint,omitempty"`
	Puts     []plainRecord `cbor:"3,keyasint,omitempty"`
}

type plainRecord struct {
	Name  string `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint"`
}

// postpone takes the plain changes out of c and returns the sealed record in
// which they wait, nil if there are none.
func (c *Change) postpone(to *chain) (*record, error) {
	if c.plain.empty() {
		return nil, nil
	}
	value, err := command.Marshal(&c.plain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", recordAfter, err)
	}
	place, sealed, err := to.put(recordAfter, value)
	return &record{place, sealed}, err
}

// postponed returns the plain changes that wait, and where.
func (v *Vault) postponed() (changes plainChanges, place string, err error) {
	value, ok, err := v.chain.get(v.storage, recordAfter)
	if err != nil || !ok {
		return changes, "", err
	}
	err = command.Unmarshal(value, &changes)
	return changes, v.chain.top.prefix + recordAfter, err
}

func (p *plainChanges) empty() bool { return len(p.Prefixes)+len(p.Deletes)+len(p.Puts) == 0 }

// add makes the changes part of a batch.
func (p *plainChanges) add(b *store.Batch) {
	for _, prefix := range p.Prefixes {
		b.DeletePrefix(plainPrefix + prefix)
	}
	for _, name := range p.Deletes {
		b.Delete(plainPrefix + name)
	}
	for _, r := range p.Puts {
		b.Put(plainPrefix+r.Name, r.Value)
	}
}
