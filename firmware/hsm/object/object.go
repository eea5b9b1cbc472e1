package object

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
)

// Object is one PKCS#11 object. It never changes, but for the count of its uses.
type Object struct {
	Handle  command.Handle
	Owner   uint32 // session of a session object; 0 for a token object
	Private bool   // visible only to roles that work with keys

	// Uses counts the uses of a key with a usage-limit. Whoever makes the object
	// sets it before anyone else has it; nil: there is no limit.
	Uses *Uses

	attrs   command.Template // all that may be read, and never a secret
	value   []byte           // stored form of a private or secret key
	key     func() (*mech.Key, error)
	allowed []command.MechanismType // nil: all
	auth    *Authorization          // nil: anyone who may use keys may use it
	start   time.Time               // zero: none
	end     time.Time
}

// Object returns the draft as an object with the key material value, which is
// nil for what is no private or secret key. unique is the value of unique-id.
func (d Draft) Object(handle command.Handle, owner uint32, value []byte, unique string) *Object {
	d.attrs[command.AttrUniqueID] = unique
	if d.Class() == command.ClassSecretKey {
		if presences[command.AttrValueLen].has(d.Class(), d.Uint(command.AttrKeyType)) {
			d.attrs[command.AttrValueLen] = uint64(len(value))
		}
		d.attrs[command.AttrCheckValue] = keyCheck(d.Uint(command.AttrKeyType), value)
	}
	o := &Object{Handle: handle, Owner: owner, attrs: d.attrs, value: value, auth: d.auth}
	return o.index()
}

// index fills in what is derived from the attributes. The key is parsed when
// it is first used, and only once.
func (o *Object) index() *Object {
	o.Private = o.attrs.Bool(command.AttrPrivate, true)
	o.start, _ = parseDate(o.attrs.Text(command.AttrStartDate))
	o.end, _ = parseDate(o.attrs.Text(command.AttrEndDate))
	if !o.IsKey() { // on a certificate they are but kept
		o.start, o.end = time.Time{}, time.Time{}
	}
	o.allowed = nil
	list := o.attrs.Bytes(command.AttrAllowedMechanisms)
	for ; len(list) >= 4; list = list[4:] {
		o.allowed = append(o.allowed, command.MechanismType(binary.BigEndian.Uint32(list)))
	}
	if o.key == nil {
		o.key = sync.OnceValues(o.parse)
	}
	return o
}

func (o *Object) parse() (*mech.Key, error) {
	class := o.Class()
	keyType := o.keyType()
	if class == command.ClassSecretKey {
		return mech.ParseSecret(keyType, o.value)
	}
	if class == command.ClassPrivateKey {
		return mech.ParsePrivate(keyType, o.public(), o.value)
	}
	return mech.ParsePublic(keyType, o.public())
}

// public returns what the object tells of its public half.
func (o *Object) public() mech.Public {
	set, _ := o.attrs.Uint(command.AttrParameterSet)
	return mech.Public{
		Modulus: o.attrs.Bytes(command.AttrModulus), Exponent: o.attrs.Bytes(command.AttrPublicExponent),
		ECParams: o.attrs.Bytes(command.AttrECParams), ECPoint: o.attrs.Bytes(command.AttrECPoint),
		ParameterSet: set, Value: o.attrs.Bytes(command.AttrValue),
	}
}

// Token reports whether the object is stored.
func (o *Object) Token() bool { return o.Owner == 0 }

// Class returns the object's class.
func (o *Object) Class() uint64 {
	class, _ := o.attrs.Uint(command.AttrClass)
	return class
}

// keyType returns the type of a key.
func (o *Object) keyType() uint64 {
	keyType, _ := o.attrs.Uint(command.AttrKeyType)
	return keyType
}

// IsKey reports whether the object is a key.
func (o *Object) IsKey() bool { return onKey.has(o.Class()) }

// Is reports whether a truth value, such as extractable, is set.
func (o *Object) Is(typ command.AttributeType) bool { return o.attrs.Bool(typ, false) }

// Material returns the stored form of a private or secret key, as package mech
// makes and reads it. The caller does not change it, and lets nobody else see it.
func (o *Object) Material() []byte { return o.value }

// Key returns the key for an operation, such as command.AttrSign, of a
// mechanism for keys of some types. Errors carry StatusKeyTypeInconsistent if the
// object is no key or of another type, StatusKeyInvalidForOperation if it is not
// meant for the operation, and StatusMechanismInvalid if it is not meant for the
// mechanism.
func (o *Object) Key(use command.AttributeType, keyTypes []uint64, m command.MechanismType) (*mech.Key, error) {
	if own, ok := o.attrs.Uint(command.AttrKeyType); !ok || !slices.Contains(keyTypes, own) {
		return nil, command.StatusKeyTypeInconsistent.With("the mechanism does not work with a key of this type", "")
	}
	if !o.attrs.Bool(use, false) {
		return nil, command.StatusKeyInvalidForOperation.Withf("the key's attribute %s is not set", use)
	}
	if o.allowed != nil && !slices.Contains(o.allowed, m) {
		return nil, command.StatusMechanismInvalid.Withf("%s is not one of the key's allowed-mechanisms", m)
	}
	return o.Parsed()
}

// Attributes returns the values of types at a time, or of all attributes that
// may be read if types is empty. The caller does not change the values. Errors
// carry StatusAttributeSensitive, StatusAttributeTypeInvalid for an attribute that
// nobody knows and StatusAttributeNotFound for one that this object lacks.
func (o *Object) Attributes(types []command.AttributeType, now time.Time) (command.Template, error) {
	if len(types) == 0 {
		return o.all(now), nil
	}
	out := make(command.Template, len(types))
	for _, typ := range types {
		value, ok := o.attribute(typ, now)
		if !ok {
			return nil, o.cannotRead(typ)
		}
		out[typ] = value
	}
	return out, nil
}

// computed are attributes that are not kept but made when they are read.
var computed = map[command.AttributeType]func(*Object, time.Time) (any, bool){
	command.AttrPublicKeyInfo: func(o *Object, _ time.Time) (any, bool) {
		info := o.publicKeyInfo()
		return info, info != nil
	},
	command.AttrKeyStatus:       func(o *Object, now time.Time) (any, bool) { return uint64(o.Status(now)), true },
	command.AttrFailedAuthCount: func(o *Object, _ time.Time) (any, bool) { return uint64(o.Failures()), true },
	command.AttrUsageCount: func(o *Object, _ time.Time) (any, bool) {
		if o.Uses == nil {
			return nil, false
		}
		return o.Uses.Used(), true
	},
}

func (o *Object) attribute(typ command.AttributeType, now time.Time) (any, bool) {
	if value, ok := o.attrs[typ]; ok {
		return value, true
	}
	if f, ok := computed[typ]; ok && presences[typ].has(o.Class(), o.keyType()) {
		return f(o, now)
	}
	return nil, false
}

func (o *Object) all(now time.Time) command.Template {
	out := maps.Clone(o.attrs)
	for typ := range computed {
		if value, ok := o.attribute(typ, now); ok {
			out[typ] = value
		}
	}
	return out
}

func (o *Object) cannotRead(typ command.AttributeType) error {
	row, known := command.LookupAttribute(typ)
	keyType := o.keyType()
	switch {
	case !known:
		return command.StatusAttributeTypeInvalid.Withf("attribute %#x is unknown", uint32(typ))
	case row.Secret && o.value != nil && presences[typ].has(o.Class(), keyType):
		return command.StatusAttributeSensitive.Withf("%s never leaves the device", typ)
	}
	return o.lacks(typ)
}

func (o *Object) lacks(typ command.AttributeType) error {
	return command.StatusAttributeNotFound.Withf("the object has no attribute %s", typ)
}

// stored is the form of an object in storage.
type stored struct {
	Attributes command.Template `cbor:"1,keyasint"`
	Value      []byte           `cbor:"2,keyasint,omitempty"`
	Auth       *Authorization   `cbor:"3,keyasint,omitempty"`
}

// Marshal returns the object's stored form, which holds its key material.
func (o *Object) Marshal() ([]byte, error) {
	return command.Marshal(stored{Attributes: o.attrs, Value: o.value, Auth: o.auth})
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
	o := &Object{Handle: handle, attrs: s.Attributes, value: s.Value, auth: s.Auth}
	return o.index(), nil
}

// Limit returns the key's usage-limit, and whether it has one.
func (o *Object) Limit() (uint64, bool) { return o.attrs.Uint(command.AttrUsageLimit) }

// Size returns how many bytes the object takes in storage, without what the
// storage adds.
func (o *Object) Size() int {
	data, err := o.Marshal()
	if err != nil {
		return 0
	}
	defer clear(data)
	return len(data)
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
