package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
)

const maxFound = 1000 // handles in one answer

// object returns an object that the call may see.
func (c *call) object(handle command.Handle) (*object.Object, error) {
	set := c.hsm.tokens.Load()
	if handle >= firstSessionObject {
		set = c.host.objects.Load()
	}
	o, ok := set.Get(handle)
	if !ok || o.Private && !c.seesPrivate() {
		return nil, command.StatusObjectHandleInvalid.With(fmt.Sprintf("there is no object %d", handle), "private objects need the login of co, lco or cu")
	}
	return o, nil
}

// writable returns an object that the call may change or destroy.
func (c *call) writable(handle command.Handle) (*object.Object, error) {
	o, err := c.object(handle)
	if err == nil && o.Token() && c.session.readOnly {
		err = readOnly()
	}
	return o, err
}

func (c *call) findObjects(r *command.FindObjectsRequest) (*command.FindObjectsResponse, error) {
	q, err := object.NewQuery(r.Template)
	if err != nil {
		return nil, err
	}
	q.Now = c.hsm.clock()
	limit := int(min(r.Max, maxFound))
	if limit == 0 {
		limit = maxFound
	}
	private := c.seesPrivate()
	found := c.hsm.tokens.Load().Find(&q, r.After, private, limit+1, []command.Handle{})
	found = c.host.objects.Load().Find(&q, r.After, private, limit+1, found)
	more := len(found) > limit
	return &command.FindObjectsResponse{Objects: found[:min(limit, len(found))], More: more}, nil
}

func (c *call) getAttributes(r *command.GetAttributesRequest) (*command.GetAttributesResponse, error) {
	o, err := c.object(r.Object)
	if err != nil {
		return nil, err
	}
	attributes, err := o.Attributes(r.Types, c.hsm.clock())
	if err != nil {
		return nil, err
	}
	return &command.GetAttributesResponse{Attributes: attributes}, nil
}

func (c *call) setAttributes(r *command.SetAttributesRequest) error {
	err := c.update(func(u *update) error {
		o, err := c.writable(r.Object)
		if err != nil {
			return err
		}
		if err := c.permitsChange(o, r.Attributes); err != nil {
			return err
		}
		changed, err := o.Changed(r.Attributes)
		if err != nil {
			return err
		}
		if err := c.permitsChanged(changed); err != nil {
			return err
		}
		return u.replaceObject(c, changed)
	})
	return fullOfObjects(err)
}

// replaceObject puts a changed object in the place of the one with its handle.
func (u *update) replaceObject(c *call, o *object.Object) error {
	if err := u.hsm.countUses(o); err != nil {
		return err
	}
	if limit, ok := o.Limit(); ok {
		u.after(func() { o.Uses.SetLimit(limit) })
	}
	if !o.Token() {
		u.after(func() {
			set := c.host.objects.Load().With(o)
			c.host.objects.Store(&set)
		})
		return nil
	}
	u.after(func() {
		u.hsm.keepCounter(o)
		u.hsm.publish(u.hsm.tokens.Load().With(o))
	})
	return u.putObject(c, o)
}

func (c *call) destroyObject(r *command.DestroyObjectRequest) error {
	return c.update(func(u *update) error {
		o, err := c.writable(r.Object)
		if err != nil {
			return err
		}
		if err := c.permitsDestruction(o); err != nil {
			return err
		}
		if !o.Token() {
			u.after(func() { c.host.dropObject(o) })
			return nil
		}
		u.records.Delete(recordObject(o.Handle))
		u.release(o.Handle)
		if o.Uses != nil {
			u.records.Delete(recordUses(o.Handle))
		}
		u.after(func() {
			delete(u.hsm.uses, o.Handle)
			u.hsm.publish(u.hsm.tokens.Load().Without(o.Handle))
			u.hsm.stored.Add(-1)
		})
		return nil
	})
}
