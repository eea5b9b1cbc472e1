package ring

import "fmt"

// Damage makes a key unreadable for ever: half of its memory is lost, and half of
// what is left if it happens again. Errors: ErrNoSuch, ErrLost.
func (r *Ring) Damage(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reach(name); err != nil {
		return err
	}
	content, err := r.folder.Load(name + keySuffix)
	if err != nil {
		return fmt.Errorf("damage the key %s: %w", name, err)
	}
	defer clear(content)
	return r.folder.Replace(name+keySuffix, content[:len(content)/2])
}

// Wear has the memory of a key take no more than a number of writes; a read with
// a PIN needs two. Errors: ErrNoSuch, ErrLost, ErrInPort.
func (r *Ring) Wear(name string, writes int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.free(name); err != nil {
		return err
	}
	return r.notes.change(name, func(n *note) error { n.Writes = &writes; return nil })
}

// PullAfter has a key pulled out of the port when n bytes have passed between it
// and the device, either way, counted from now if it is in the port, or else from
// when it is put in. It lasts until the ring is closed. Error: ErrNoSuch.
func (r *Ring) PullAfter(name string, n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !validName(name) || !r.has(name+keySuffix) {
		return fmt.Errorf("%w: %s", ErrNoSuch, name)
	}
	if r.inside() == name {
		r.plugged.lead.breakAfter(n)
	} else {
		r.leads[name] = n
	}
	return nil
}
