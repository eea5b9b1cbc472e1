package vault

import "usbhsm7/firmware/store"

// Change is a list of records to write and to delete together.
type Change struct {
	// Urgent changes may use the room that the store keeps back when it is full.
	Urgent bool

	puts    []record
	deletes []string
	plain   plainChanges
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
	c.plain.Puts = append(c.plain.Puts, plainRecord{name, value})
}

// DeletePlain deletes one.
func (c *Change) DeletePlain(name string) { c.plain.Deletes = append(c.plain.Deletes, name) }

// DeletePlainPrefix deletes those whose names begin with prefix, before any is
// written.
func (c *Change) DeletePlainPrefix(prefix string) {
	c.plain.Prefixes = append(c.plain.Prefixes, prefix)
}

// Empty reports whether there is nothing to do.
func (c *Change) Empty() bool { return len(c.puts)+len(c.deletes) == 0 && c.plain.empty() }

// Wipe overwrites the values that were to be written.
func (c *Change) Wipe() {
	for _, r := range c.puts {
		clear(r.value)
	}
}

// batch seals the change for a generation, without the plain records.
func (c *Change) batch(g *link) (*store.Batch, error) {
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
	return &b, nil
}
