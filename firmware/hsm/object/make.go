package object

import (
	"bytes"
	"fmt"
	"maps"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
)

// Spec is the kind of object that a mechanism makes.
type Spec struct {
	Class     uint64
	KeyType   uint64
	Mechanism command.MechanismType
}

// Draft is a checked template with all defaults filled in: an object that
// still lacks its key.
type Draft struct {
	attrs command.Template
}

// uses lists the operations that the mechanisms of the device offer each kind
// of key; they are on unless the template says otherwise.
var uses = []struct {
	class, keyType uint64
	on             []command.AttributeType
}{
	{command.ClassPublicKey, command.KeyRSA, []command.AttributeType{command.AttrVerify, command.AttrEncrypt}},
	{command.ClassPublicKey, command.KeyEC, []command.AttributeType{command.AttrVerify}},
	{command.ClassPublicKey, command.KeyECEdwards, []command.AttributeType{command.AttrVerify}},
	{command.ClassPublicKey, command.KeyMLDSA, []command.AttributeType{command.AttrVerify}},
	{command.ClassPrivateKey, command.KeyRSA, []command.AttributeType{command.AttrSign, command.AttrDecrypt}},
	{command.ClassPrivateKey, command.KeyEC, []command.AttributeType{command.AttrSign}},
	{command.ClassPrivateKey, command.KeyECEdwards, []command.AttributeType{command.AttrSign}},
	{command.ClassPrivateKey, command.KeyMLDSA, []command.AttributeType{command.AttrSign}},
	{command.ClassSecretKey, command.KeyAES, []command.AttributeType{command.AttrEncrypt, command.AttrDecrypt}},
	{command.ClassSecretKey, command.KeyDES3, []command.AttributeType{command.AttrEncrypt, command.AttrDecrypt}},
	{command.ClassSecretKey, command.KeyGenericSecret, []command.AttributeType{command.AttrSign, command.AttrVerify}},
}

// Make checks a template for an object of the spec's kind. Errors carry
//
//	StatusAttributeTypeInvalid    an attribute that nobody knows
//	StatusAttributeReadOnly       one that only the device sets
//	StatusAttributeValueInvalid   a value of the wrong kind or out of range
//	StatusTemplateInconsistent    one that such an object does not have, or that contradicts the mechanism
//	StatusTemplateIncomplete      the size or curve of the key is missing
//	StatusPrivateMustBeSensitive, StatusSecretMustBeSensitive
func Make(s Spec, t command.Template) (Draft, error) {
	if err := t.Check(); err != nil {
		return Draft{}, err
	}
	for _, typ := range inOrder(t) {
		if err := s.admits(typ, t[typ]); err != nil {
			return Draft{}, err
		}
	}
	attrs := s.defaults()
	maps.Copy(attrs, t)
	d := Draft{attrs: attrs}
	return d, d.settle(s)
}

func (s Spec) admits(typ command.AttributeType, value any) error {
	if row, _ := command.LookupAttribute(typ); !row.OnMake {
		return command.StatusAttributeReadOnly.With(fmt.Sprintf("%s is set by the device", typ), "leave it out")
	}
	p := presences[typ]
	if !p.has(s.Class, s.KeyType) || p.template>>s.Class&1 == 0 {
		return command.StatusTemplateInconsistent.With(fmt.Sprintf("%s does not belong in the template of such a key", typ), "")
	}
	return checkValue(typ, value)
}

func (s Spec) defaults() command.Template {
	attrs := command.Template{
		command.AttrClass:           s.Class,
		command.AttrKeyType:         s.KeyType,
		command.AttrKeyGenMechanism: uint64(s.Mechanism),
		command.AttrToken:           false,
		command.AttrPrivate:         s.Class != command.ClassPublicKey,
		command.AttrLabel:           "",
		command.AttrID:              []byte{},
		command.AttrLocal:           true,
		command.AttrModifiable:      true,
	}
	for _, typ := range []command.AttributeType{command.AttrEncrypt, command.AttrDecrypt, command.AttrSign, command.AttrVerify} {
		if presences[typ].has(s.Class, s.KeyType) {
			attrs[typ] = false
		}
	}
	for _, row := range uses {
		if row.class == s.Class && row.keyType == s.KeyType {
			for _, typ := range row.on {
				attrs[typ] = true
			}
		}
	}
	if s.Class != command.ClassPublicKey {
		attrs[command.AttrSensitive] = true
		attrs[command.AttrExtractable] = false
	}
	return attrs
}

// settle checks what attributes say of each other and derives those that
// follow from them.
func (d Draft) settle(s Spec) error {
	class, _ := d.attrs.Uint(command.AttrClass)
	keyType, _ := d.attrs.Uint(command.AttrKeyType)
	if class != s.Class || keyType != s.KeyType {
		return command.StatusTemplateInconsistent.With("class or key-type contradicts the mechanism", "leave them out")
	}
	if err := d.requireSize(); err != nil {
		return err
	}
	if s.Class == command.ClassPublicKey {
		return d.settlePublic()
	}
	return d.settleSensitive(s.Class)
}

// sizes lists which attribute tells the size of a new key.
var sizes = []command.AttributeType{command.AttrModulusBits, command.AttrECParams, command.AttrParameterSet, command.AttrValueLen}

func (d Draft) requireSize() error {
	class, _ := d.attrs.Uint(command.AttrClass)
	keyType, _ := d.attrs.Uint(command.AttrKeyType)
	for _, typ := range sizes {
		p := presences[typ]
		if !p.has(class, keyType) || p.template>>class&1 == 0 {
			continue
		}
		if _, ok := d.attrs[typ]; !ok {
			return command.StatusTemplateIncomplete.With(fmt.Sprintf("%s is missing", typ), "")
		}
	}
	return nil
}

// exponent is mech.RSAExponent as the attribute has it: big-endian.
var exponent = []byte{0x01, 0x00, 0x01}

func (d Draft) settlePublic() error {
	if keyType, _ := d.attrs.Uint(command.AttrKeyType); keyType != command.KeyRSA {
		return nil
	}
	given, ok := d.attrs[command.AttrPublicExponent].([]byte)
	if ok && !bytes.Equal(bytes.TrimLeft(given, "\x00"), exponent) {
		return invalid(command.AttrPublicExponent, fmt.Sprintf("is always %d", mech.RSAExponent))
	}
	d.attrs[command.AttrPublicExponent] = exponent
	return nil
}

// settleSensitive keeps key material inside: such keys are private objects
// and sensitive.
func (d Draft) settleSensitive(class uint64) error {
	if !d.attrs.Bool(command.AttrPrivate, false) {
		return command.StatusTemplateInconsistent.With("private and secret keys are private objects", "set private to true")
	}
	if !d.attrs.Bool(command.AttrSensitive, false) {
		status := command.StatusPrivateMustBeSensitive
		if class == command.ClassSecretKey {
			status = command.StatusSecretMustBeSensitive
		}
		return status.With("keys of this device are always sensitive", "set sensitive to true")
	}
	d.attrs[command.AttrAlwaysSensitive] = true
	d.attrs[command.AttrNeverExtractable] = !d.attrs.Bool(command.AttrExtractable, false)
	return nil
}

// Token reports whether the object will be stored.
func (d Draft) Token() bool { return d.attrs.Bool(command.AttrToken, false) }

// Uint returns a number of the draft, such as modulus-bits.
func (d Draft) Uint(typ command.AttributeType) uint64 {
	v, _ := d.attrs.Uint(typ)
	return v
}

// Bytes returns a byte string of the draft, such as ec-params.
func (d Draft) Bytes(typ command.AttributeType) []byte { return d.attrs.Bytes(typ) }

// Length returns the bytes of the secret that a draft asks for: its value-len,
// or what all keys of its type have.
func (d Draft) Length() uint64 {
	if d.Uint(command.AttrKeyType) == command.KeyDES3 {
		return 24
	}
	return d.Uint(command.AttrValueLen)
}

// TakePair adds the public values of a new key pair that such an object has.
func (d Draft) TakePair(p *mech.Pair) {
	for typ, value := range map[command.AttributeType][]byte{
		command.AttrModulus: p.Modulus, command.AttrPublicExponent: p.Exponent,
		command.AttrECParams: p.ECParams, command.AttrECPoint: p.ECPoint,
	} {
		if value != nil {
			d.attrs[typ] = value
		}
	}
	if p.ParameterSet != 0 {
		d.attrs[command.AttrParameterSet] = p.ParameterSet
	}
	if p.Value != nil && d.Uint(command.AttrClass) == command.ClassPublicKey {
		d.attrs[command.AttrValue] = p.Value
	}
}
