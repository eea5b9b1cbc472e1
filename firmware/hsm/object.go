package hsm

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/store"
)

// firstSessionObject divides the handles: token objects have those below it,
// session objects those from it on.
const firstSessionObject command.Handle = 1 << 31

const (
	maxSessionObjects = 4096 // of all hosts
	maxFound          = 1000 // handles in one answer
)

// made is a new object that has no handle yet.
type made struct {
	draft object.Draft
	value []byte // key material; nil for a public key
}

func (c *call) generateKey(r *command.GenerateKeyRequest) (*command.ObjectResponse, error) {
	row, err := generator(&r.Mechanism, command.ClassSecretKey)
	if err != nil {
		return nil, err
	}
	draft, err := c.draft(command.ClassSecretKey, row, r.Template)
	if err != nil {
		return nil, err
	}
	value, err := mech.GenerateSecret(&r.Mechanism, draft.Uint(command.AttrKeyType), draft.Length(), c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	c.count(r.Mechanism.Type, command.UseGenerate)
	handles, err := c.create(made{draft, value})
	if err != nil {
		return nil, err
	}
	return &command.ObjectResponse{Object: handles[0]}, nil
}

func (c *call) generateKeyPair(r *command.GenerateKeyPairRequest) (*command.KeyPairResponse, error) {
	row, err := generator(&r.Mechanism, command.ClassPrivateKey)
	if err != nil {
		return nil, err
	}
	public, err := c.draft(command.ClassPublicKey, row, r.Public)
	if err != nil {
		return nil, err
	}
	private, err := c.draft(command.ClassPrivateKey, row, r.Private)
	if err != nil {
		return nil, err
	}
	pair, err := generatePair(public, c)
	if err != nil {
		return nil, err
	}
	c.count(r.Mechanism.Type, command.UseGenerate)
	public.TakePair(pair)
	private.TakePair(pair)
	handles, err := c.create(made{public, nil}, made{private, pair.Private})
	if err != nil {
		return nil, err
	}
	return &command.KeyPairResponse{Public: handles[0], Private: handles[1]}, nil
}

// generator returns the row of a mechanism that makes keys of a class.
func generator(m *command.Mechanism, class uint64) (command.MechanismRow, error) {
	row, ok := command.LookupMechanism(m.Type)
	if !ok || row.Uses&command.UseGenerate == 0 || mech.Secret(row.Keys[0]) != (class == command.ClassSecretKey) {
		return row, command.StatusMechanismInvalid.With(fmt.Sprintf("%s does not make such a key", m.Type), "")
	}
	if m.Type == command.MechPKCS5PBKD2 {
		return row, nil
	}
	return row, mech.NoParameters(m)
}

func generatePair(public object.Draft, c *call) (*mech.Pair, error) {
	switch keyType := public.Uint(command.AttrKeyType); keyType {
	case command.KeyRSA:
		return mech.GenerateRSA(public.Uint(command.AttrModulusBits), c.hsm.entropy)
	case command.KeyMLKEM, command.KeyMLDSA:
		return mech.GenerateLattice(keyType, public.Uint(command.AttrParameterSet), c.hsm.entropy)
	default:
		return mech.GenerateEC(keyType, public.Bytes(command.AttrECParams), c.hsm.entropy)
	}
}

// draft checks a template, and that a read-only session asks for no token
// object.
func (c *call) draft(class uint64, row command.MechanismRow, t command.Template) (object.Draft, error) {
	keyType := row.Keys[0]
	if given, ok := t.Uint(command.AttrKeyType); ok && row.WorksWith(given) {
		keyType = given
	}
	d, err := object.Make(object.Spec{Class: class, KeyType: keyType, Mechanism: row.Type}, t)
	if err == nil && d.Token() && c.session.readOnly {
		err = readOnly()
	}
	return d, err
}

// create gives new objects their handles and makes them visible, all or none.
func (c *call) create(list ...made) ([]command.Handle, error) {
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
	o := m.draft.Object(u.lastToken, 0, m.value)
	u.after(func() {
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
	o := m.draft.Object(next, c.session.handle, m.value)
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
	return u.put(name, r)
}

func fullOfObjects(err error) error {
	if errors.Is(err, store.ErrFull) {
		return command.StatusObjectStorageFull.With("there is no room for another object", "destroy some")
	}
	return err
}

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
	attributes, err := o.Attributes(r.Types)
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
		changed, err := o.Changed(r.Attributes)
		if err != nil {
			return err
		}
		if !o.Token() {
			u.after(func() {
				set := c.host.objects.Load().With(changed)
				c.host.objects.Store(&set)
			})
			return nil
		}
		u.after(func() { u.hsm.publish(u.hsm.tokens.Load().With(changed)) })
		return u.putObject(c, changed)
	})
	return fullOfObjects(err)
}

func (c *call) destroyObject(r *command.DestroyObjectRequest) error {
	return c.update(func(u *update) error {
		o, err := c.writable(r.Object)
		if err != nil {
			return err
		}
		if !o.Token() {
			u.after(func() { c.host.dropObjects(func(x *object.Object) bool { return x == o }) })
			return nil
		}
		u.records.Delete(recordObject(o.Handle))
		u.after(func() {
			u.hsm.publish(u.hsm.tokens.Load().Without(o.Handle))
			u.hsm.stored.Add(-1)
		})
		return nil
	})
}
