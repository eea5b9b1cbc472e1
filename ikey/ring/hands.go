package ring

import (
	"usbhsm7/ikey"
	"usbhsm7/ikey/token"
)

// plugged is a key that was put into the port.
type plugged struct {
	name  string
	stick *token.Stick
	lead  *lead
}

// Insert puts a key into the port. Errors: ErrNoSuch, ErrLost, ikey.ErrOccupied.
func (r *Ring) Insert(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reach(name); err != nil {
		return err
	}
	if r.port.Inside() != nil {
		return ikey.ErrOccupied
	}
	r.unplug() // what is left of the last one, if it was pulled out in between
	stick, err := token.NewStick(r.chip(name))
	if err != nil {
		return err
	}
	p := &plugged{name: name, stick: stick}
	p.lead = newLead(stick, func() { r.port.Remove() })
	if n, armed := r.leads[name]; armed {
		p.lead.breakAfter(n)
		delete(r.leads, name)
	}
	if err := r.port.Insert(p.lead); err != nil {
		stick.Close()
		return err
	}
	r.plugged = p
	return nil
}

// Remove pulls out what is in the port, and waits until a key has finished what
// it had begun. The error is ikey.ErrNoKey.
func (r *Ring) Remove() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	removed := r.port.Remove()
	r.unplug()
	if removed == nil {
		return ikey.ErrNoKey
	}
	return nil
}

// InPort returns the name of the key in the port, or "".
func (r *Ring) InPort() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inside()
}

func (r *Ring) inside() string {
	if r.plugged != nil && r.port.Inside() == ikey.Peripheral(r.plugged.lead) {
		return r.plugged.name
	}
	return ""
}

// unplug ends the key that was last put into the port, which may be out of it.
func (r *Ring) unplug() {
	if r.plugged == nil {
		return
	}
	if r.inside() != "" {
		r.port.Remove()
	}
	r.plugged.stick.Close()
	r.plugged = nil
}
