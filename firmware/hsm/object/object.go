package object

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
)

// Object is one key. It never changes.
type Object struct {
	Handle  command.Handle
	Owner   uint32 // session of a session object; 0 for a token object
	Private bool   // visible to the Crypto Officer only

	label string
	id    []byte
	attrs command.Template // all that may be read
	value []byte           // stored form of a private or secret key
	key   func() (*mech.Key, error)
}

// Object returns the draft as an object with the key material value, which is
// nil for a public key.
func (d Draft) Object(handle command.Handle, owner uint32, value []byte) *Object {
	o := &Object{Handle: handle, Owner: owner, attrs: d.attrs, value: value}
	return o.index()
}

// index fills in what is derived from the attributes. The key is parsed when
// it is first used, and only once.
func (o *Object) index() *Object {
	o.Private = o.attrs.Bool(command.AttrPrivate, true)
	o.label = o.attrs.Text(command.AttrLabel)
	o.id = o.attrs.Bytes(command.AttrID)
	if o.key == nil {
		o.key = sync.OnceValues(o.parse)
	}
	return o
}

func (o *Object) parse() (*mech.Key, error) {
	class, _ := o.attrs.Uint(command.AttrClass)
	keyType, _ := o.attrs.Uint(command.AttrKeyType)
	if class == command.ClassSecretKey {
		return mech.ParseSecret(keyType, o.value)
	}
	set, _ := o.attrs.Uint(command.AttrParameterSet)
	public := mech.Public{
		Modulus: o.attrs.Bytes(command.AttrModulus), Exponent: o.attrs.Bytes(command.AttrPublicExponent),
		ECParams: o.attrs.Bytes(command.AttrECParams), ECPoint: o.attrs.Bytes(command.AttrECPoint),
		ParameterSet: set, Value: o.attrs.Bytes(command.AttrValue),
	}
	if class == command.ClassPrivateKey {
		return mech.ParsePrivate(keyType, public, o.value)
	}
	return mech.ParsePublic(keyType, public)
}

// Token reports whether the object is stored.
func (o *Object) Token() bool { return o.Owner == 0 }

// Key returns the key for an operation, such as command.AttrSign, of a
// mechanism for keys of some types. Errors carry StatusKeyTypeInconsistent if the
// key is of another type, and StatusKeyInvalidForOperation if it is not meant
// for the operation.
func (o *Object) Key(use command.AttributeType, keyTypes []uint64) (*mech.Key, error) {
	if own, _ := o.attrs.Uint(command.AttrKeyType); !slices.Contains(keyTypes, own) {
		return nil, command.StatusKeyTypeInconsistent.With("the mechanism does not work with a key of this type", "")
	}
	if !o.attrs.Bool(use, false) {
		return nil, command.StatusKeyInvalidForOperation.With(fmt.Sprintf("the key's attribute %s is not set", use), "")
	}
	key, err := o.key()
	if err != nil {
		return nil, command.StatusDeviceError.With("the stored key is damaged", "")
	}
	return key, nil
}

// Attributes returns the values of types, or of all attributes that may be
// read if types is empty. The caller does not change the result. Errors carry
// StatusAttributeSensitive, StatusAttributeTypeInvalid for an attribute that
// nobody knows and StatusAttributeNotFound for one that this object lacks.
func (o *Object) Attributes(types []command.AttributeType) (command.Template, error) {
	if len(types) == 0 {
		return o.attrs, nil
	}
	out := make(command.Template, len(types))
	for _, typ := range types {
		value, ok := o.attrs[typ]
		if !ok {
			return nil, o.cannotRead(typ)
		}
		out[typ] = value
	}
	return out, nil
}

func (o *Object) cannotRead(typ command.AttributeType) error {
	row, known := command.LookupAttribute(typ)
	switch {
	case !known:
		return command.StatusAttributeTypeInvalid.With(fmt.Sprintf("attribute %#x is unknown", uint32(typ)), "")
	case row.Secret && o.value != nil:
		return command.StatusAttributeSensitive.With(fmt.Sprintf("%s never leaves the device", typ), "")
	}
	return o.lacks(typ)
}

func (o *Object) lacks(typ command.AttributeType) error {
	return command.StatusAttributeNotFound.With(fmt.Sprintf("the object has no attribute %s", typ), "")
}

// Changed returns a copy of the object with new attribute values. Errors carry
// StatusAttributeReadOnly if the object or an attribute cannot be changed, and
// otherwise the statuses of Make and Attributes.
func (o *Object) Changed(t command.Template) (*Object, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if len(t) == 0 {
		return nil, command.StatusTemplateIncomplete.With("no attribute to change", "")
	}
	if !o.attrs.Bool(command.AttrModifiable, false) {
		return nil, command.StatusAttributeReadOnly.With("the object is not modifiable", "")
	}
	for _, typ := range inOrder(t) {
		if row, _ := command.LookupAttribute(typ); !row.OnWrite {
			return nil, command.StatusAttributeReadOnly.With(fmt.Sprintf("%s cannot be changed", typ), "")
		}
		if _, ok := o.attrs[typ]; !ok {
			return nil, o.lacks(typ)
		}
		if err := checkValue(typ, t[typ]); err != nil {
			return nil, err
		}
	}
	changed := *o
	changed.attrs = maps.Clone(o.attrs)
	maps.Copy(changed.attrs, t)
	return changed.index(), nil
}

// stored is the form of an object in storage.
type stored struct {
	Attributes command.Template `cbor:"1,keyasint"`
	Value      []byte           `cbor:"2,keyasint,omitempty"`
}

// Marshal returns the object's stored form, which holds its key material.
func (o *Object) Marshal() ([]byte, error) {
	return command.Marshal(stored{Attributes: o.attrs, Value: o.value})
}

// Unmarshal is the inverse of Marshal for a token object.
func Unmarshal(handle command.Handle, data []byte) (*Object, error) {
	var s stored
	if err := command.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("object %d: %w", handle, err)
	}
	if err := s.Attributes.Check(); err != nil {
		return nil, fmt.Errorf("object %d: %w", handle, err)
	}
	o := &Object{Handle: handle, attrs: s.Attributes, value: s.Value}
	return o.index(), nil
}

// equal compares two attribute values of the same kind.
func equal(a, b any) bool {
	x, ok := a.([]byte)
	if !ok {
		return a == b
	}
	y, ok := b.([]byte)
	return ok && bytes.Equal(x, y)
}
