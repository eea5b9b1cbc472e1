package hsm

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/vault"
)

// update is a change under way: what to write, and what to do once it is
// durable.
type update struct {
	hsm      *HSM
	state    state               // a copy, to be published
	records  vault.Change        // to be written
	swap     swap                // of generations; the zero value: none
	audited  *call               // whose event is recorded with the change; nil: none
	found    *command.AuditEvent // by the sensors, recorded with the change; nil: nothing
	unlogged bool                // the change destroys the audit log
	then     []func()            // run in order once all is durable
	events   []command.Event

	lastToken command.Handle // highest handle given to a new token object; 0: none given
	volatile  int            // new session objects
	growth    int64          // bytes that token objects grow by
}

// after has f run once the change is durable, before anyone else may write.
func (u *update) after(f func()) { u.then = append(u.then, f) }

func (u *update) event(e command.Event) { u.events = append(u.events, e) }

// put writes a record.
func (u *update) put(name string, v any) error { return put(&u.records, name, v) }

// keep carries records over a destroying change.
func (u *update) keep(names ...string) error {
	for _, name := range names {
		value, ok, err := u.hsm.vault.Get(name)
		if err != nil {
			return err
		}
		if ok {
			u.records.Put(name, value)
		}
	}
	return nil
}

// update lets prepare describe a change, makes it durable and publishes it, as
// the only writer. It changes nothing if the call is no longer authorised or
// its context has ended. Prepare must not wait for anything.
func (c *call) update(prepare func(*update) error) error {
	return c.guarded(func(u *update) error {
		u.audited = c
		return prepare(u)
	})
}

// guarded runs prepare in a change that is only a step of the call: it is
// authorised again, and not recorded as the call's event.
func (c *call) guarded(prepare func(*update) error) error {
	return c.hsm.update(func(u *update) error {
		if err := c.stands(); err != nil {
			return err
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		return prepare(u)
	})
}

func (h *HSM) update(prepare func(*update) error) error {
	h.mu.Lock()
	u := &update{hsm: h, state: *h.state.Load()}
	err := u.run(prepare)
	h.mu.Unlock()
	u.records.Wipe()
	if h.notify != nil {
		for _, e := range u.events {
			h.notify(e)
		}
	}
	return err
}

func (u *update) run(prepare func(*update) error) error {
	if u.hsm.closed {
		return command.StatusDeviceError.With("the device is switched off", "")
	}
	err := prepare(u)
	if err == nil {
		err = u.write()
	}
	if err != nil {
		u.events = nil
		return err
	}
	u.state.derive(&u.hsm.firmware)
	u.hsm.state.Store(&u.state)
	for _, f := range u.then {
		f()
	}
	u.hsm.dismiss()
	u.hsm.watchStorage(u)
	return nil
}

// write makes the change durable, together with what the audit log has to say, and
// with what keeps roles activated.
func (u *update) write() error {
	if err := u.beat(BeatInterval); err != nil {
		return err
	}
	log := &u.hsm.audit
	switch {
	case u.unlogged:
		return u.commit()
	case u.found != nil && log.wants(u.found.Class, true):
		return log.write(&u.records, u.found, u.commit)
	case u.audited == nil || !log.wants(u.audited.row.Audit, true):
		return log.write(&u.records, nil, u.commit)
	}
	event := u.audited.event(command.StatusOK)
	err := log.write(&u.records, &event, u.commit)
	u.audited.recorded = err == nil
	return err
}

func (u *update) commit() error {
	if u.swap.kind != swapNone {
		return u.exchange()
	}
	if u.records.Empty() {
		return nil
	}
	return u.hsm.vault.Commit(&u.records)
}

// watchStorage reports once when less than a tenth of the storage is free.
func (h *HSM) watchStorage(u *update) {
	usage := h.vault.Usage()
	low := usage.Free*10 < usage.Total
	if low && !h.storageLow {
		u.event(command.Event{Code: command.EventStorageLow, Text: "less than a tenth of the storage is free"})
	}
	h.storageLow = low
}

// publish makes set the stored objects that are readable.
func (h *HSM) publish(set object.Set) { h.tokens.Store(&set) }
