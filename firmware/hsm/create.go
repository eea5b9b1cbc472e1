package hsm

import (
	"encoding/hex"
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/store"
)

// firstSessionObject divides the handles: token objects have those below it,
// session objects those from it on.
const firstSessionObject command.Handle = 1 << 31

// maxSessionObjects bounds the session objects of all hosts.
const maxSessionObjects = 4096

// uniqueBytes is how many random bytes a unique-id shows in hexadecimal.
const uniqueBytes = 16

// made is a new object that has no handle yet.
type made struct {
	draft  object.Draft
	value  []byte // key material; nil for what is no private or secret key
	unique string // filled in by create
}

// draft checks a template, that the policies permit such an object, and that a
// read-only session asks for no token object.
func (c *call) draft(spec object.Spec, t command.Template) (object.Draft, error) {
	spec.OnePurpose = !c.allows(policy.MultipurposeKeys)
	d, err := object.Make(spec, t)
	if err != nil {
		return d, err
	}
	if err := c.permitsObject(d); err != nil {
		clear(d.AuthData)
		return d, err
	}
	return d, c.guard(&d)
}

// permitsObject checks a new object against session and policies.
func (c *call) permitsObject(d object.Draft) error {
	if d.Token() && c.session.readOnly {
		return readOnly()
	}
	if !d.IsKey() {
		return nil
	}
	return c.permitsKey(d)
}

// createObject makes an object of what the host sends.
func (c *call) createObject(r *command.CreateObjectRequest) (*command.ObjectResponse, error) {
	defer r.Template.Wipe()
	spec, err := object.SpecOf(command.OriginCreate, r.Template)
	if err != nil {
		return nil, err
	}
	if err := c.permitsImport(spec.Class); err != nil {
		return nil, err
	}
	draft, err := c.draft(spec, r.Template)
	if err != nil {
		return nil, err
	}
	value, err := draft.TakeValue()
	if err != nil {
		return nil, err
	}
	return c.createOne(made{draft: draft, value: value})
}

// copyObject makes a second object of one that there is.
func (c *call) copyObject(r *command.CopyObjectRequest) (*command.ObjectResponse, error) {
	o, err := c.object(r.Object)
	if err != nil {
		return nil, err
	}
	if err := c.permitsCopy(o, r.Template); err != nil {
		return nil, err
	}
	draft, value, err := o.Copied(r.Template)
	if err != nil {
		return nil, err
	}
	if err := c.permitsObject(draft); err != nil {
		return nil, err
	}
	return c.createOne(made{draft: draft, value: value})
}

func (c *call) objectSize(r *command.ObjectSizeRequest) (*command.ObjectSizeResponse, error) {
	o, err := c.object(r.Object)
	if err != nil {
		return nil, err
	}
	return &command.ObjectSizeResponse{Bytes: uint64(o.Size())}, nil
}

func (c *call) createOne(m made) (*command.ObjectResponse, error) {
	handles, err := c.create(m)
	if err != nil {
		return nil, err
	}
	return &command.ObjectResponse{Object: handles[0]}, nil
}

// create gives new objects their handles and makes them visible, all or none.
func (c *call) create(list ...made) ([]command.Handle, error) {
	for i := range list {
		unique, err := mech.Random(uniqueBytes, c.hsm.entropy)
		if err != nil {
			return nil, err
		}
		list[i].unique = hex.EncodeToString(unique)
	}
	objects := make([]*object.Object, 0, len(list))
	err := c.update(func(u *update) error {
		for _, m := range list {
			o, err := u.create(c, m)
			if err != nil {
				return err
			}
			objects = append(objects, o)
		}
		return u.putLast()
	})
	if err != nil {
		return nil, fullOfObjects(err)
	}
	handles := make([]command.Handle, len(objects))
	for i, o := range objects {
		handles[i] = o.Handle
	}
	return handles, nil
}

// create prepares one object.
func (u *update) create(c *call, m made) (*object.Object, error) {
	if !m.draft.Token() {
		return u.createVolatile(c, m)
	}
	if u.lastToken == 0 {
		u.lastToken = u.hsm.lastToken
	}
	if u.lastToken+1 == firstSessionObject {
		return nil, command.StatusMaxObjectCount.With("all handles are used up", "initialise the partition again")
	}
	u.lastToken++
	o := m.draft.Object(u.lastToken, 0, m.value, m.unique)
	if err := u.hsm.countUses(o); err != nil {
		return nil, err
	}
	u.after(func() {
		u.hsm.keepCounter(o)
		u.hsm.publish(u.hsm.tokens.Load().With(o))
		u.hsm.stored.Add(1)
	})
	return o, u.putObject(c, o)
}

func (u *update) createVolatile(c *call, m made) (*object.Object, error) {
	u.volatile++
	next := u.hsm.lastObject + command.Handle(u.volatile)
	if u.hsm.objects+u.volatile > maxSessionObjects || next < firstSessionObject {
		return nil, command.StatusMaxObjectCount.With("there are too many session objects", "destroy some")
	}
	o := m.draft.Object(next, c.session.handle, m.value, m.unique)
	if err := u.hsm.countUses(o); err != nil {
		return nil, err
	}
	u.after(func() {
		u.hsm.lastObject = o.Handle
		u.hsm.objects++
		set := c.host.objects.Load().With(o)
		c.host.objects.Store(&set)
	})
	return o, nil
}

// putLast records the highest handle given to a token object.
func (u *update) putLast() error {
	if u.lastToken == 0 {
		return nil
	}
	u.after(func() { u.hsm.lastToken = u.lastToken })
	return u.put(recordLast, lastRecord{u.lastToken})
}

// putObject writes an object, sealed under the partition key if it is private.
func (u *update) putObject(c *call, o *object.Object) error {
	body, err := o.Marshal()
	if err != nil {
		return fmt.Errorf("object %d: %w", o.Handle, err)
	}
	defer clear(body)
	name := recordObject(o.Handle)
	r := objectRecord{Private: o.Private, Body: body}
	if o.Private {
		if r.Body, err = c.login.seal.Seal(name, body); err != nil {
			return err
		}
	}
	r = r.padded(u.hsm.schema.Load())
	if err := u.claim(o.Handle, r.size()); err != nil {
		return err
	}
	return u.put(name, r)
}

func fullOfObjects(err error) error {
	if errors.Is(err, store.ErrFull) {
		return storageFull()
	}
	return err
}
