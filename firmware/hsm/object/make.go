package object

import (
	"bytes"
	"fmt"
	"maps"

	"usbhsm7/firmware/command"
)

// Spec is the kind of object that is to be made.
type Spec struct {
	Class   uint64
	KeyType uint64 // of a key
	Origin  command.Origin
	// Mechanism generated the key; meaningless for other origins.
	Mechanism command.MechanismType
	// OnePurpose leaves a key one kind of use by default, and none if the template
	// names one.
	OnePurpose bool
	// Base is the key that this one is derived from; nil if it is not derived.
	Base *Object
}

// SpecOf returns the kind of object that the template of create-object, unwrap-key
// or derive-key describes. Errors carry StatusTemplateIncomplete if class or
// key-type is missing, and StatusAttributeValueInvalid for one that the device
// does not have.
func SpecOf(origin command.Origin, t command.Template) (Spec, error) {
	class, ok := t.Uint(command.AttrClass)
	if !ok {
		return Spec{}, missing(command.AttrClass)
	}
	s := Spec{Class: class, Origin: origin}
	switch {
	case !onAny.has(class):
		return Spec{}, invalid(command.AttrClass, "is not one of 0 to 4")
	case !onKey.has(class):
		return s, nil
	}
	if s.KeyType, ok = t.Uint(command.AttrKeyType); !ok {
		return Spec{}, missing(command.AttrKeyType)
	}
	if _, ok := kinds[s.KeyType]; !ok {
		return Spec{}, invalid(command.AttrKeyType, "is not supported")
	}
	if !fits(class, s.KeyType) {
		return Spec{}, command.StatusTemplateInconsistent.With("class and key-type contradict each other", "")
	}
	return s, nil
}

// Draft is a checked template with all defaults filled in: an object that
// may still lack its key.
type Draft struct {
	attrs command.Template
	// AuthData is the authorization data that the template gives the key; nil if
	// it gives none. The caller wipes it.
	AuthData []byte
	auth     *Authorization
}

// Make checks a template for an object of the spec's kind. Errors carry
//
//	StatusAttributeTypeInvalid    an attribute that nobody knows
//	StatusAttributeReadOnly       one that only the device sets
//	StatusAttributeValueInvalid   a value of the wrong kind or out of range
//	StatusTemplateInconsistent    one that such an object does not have, or that contradicts the mechanism
//	StatusTemplateIncomplete      the size, the curve or the value is missing
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
	attrs := s.defaults(t)
	maps.Copy(attrs, t)
	d := Draft{attrs: attrs}
	d.AuthData = bytes.Clone(attrs.Bytes(command.AttrAuthData))
	delete(attrs, command.AttrAuthData)
	return d, d.settle(s)
}

func (s Spec) admits(typ command.AttributeType, value any) error {
	row, _ := command.LookupAttribute(typ)
	p := presences[typ]
	switch {
	case row.Given&^(1<<command.OriginCopy) == 0:
		return command.StatusAttributeReadOnly.With(fmt.Sprintf("%s is set by the device", typ), "leave it out")
	case !row.Given.Has(s.Origin) && s.Origin == command.OriginGenerate && row.Given.Has(command.OriginCreate) && p.has(s.Class, s.KeyType):
		return command.StatusAttributeReadOnly.With(fmt.Sprintf("%s of a new key is set by the device", typ), "leave it out")
	case !row.Given.Has(s.Origin), !p.has(s.Class, s.KeyType), p.given != 0 && !p.given.has(s.Class), s.misplaced(typ):
		return command.StatusTemplateInconsistent.Withf("%s does not belong in the template of such an object", typ)
	}
	return checkValue(typ, value)
}

// misplaced reports whether an attribute belongs in the other template of a new
// pair: that of the public key says how large both are.
func (s Spec) misplaced(typ command.AttributeType) bool {
	if s.Origin != command.OriginGenerate || s.Class != command.ClassPrivateKey {
		return false
	}
	return typ == kinds[s.KeyType].size || typ == command.AttrPublicExponent
}

func (s Spec) defaults(t command.Template) command.Template {
	attrs := command.Template{
		command.AttrClass:       s.Class,
		command.AttrToken:       false,
		command.AttrPrivate:     onHidden.has(s.Class),
		command.AttrLabel:       "",
		command.AttrModifiable:  true,
		command.AttrCopyable:    true,
		command.AttrDestroyable: true,
	}
	switch {
	case onKey.has(s.Class):
		s.keyDefaults(attrs, t)
	case s.Class == command.ClassCertificate:
		attrs[command.AttrCertificateType] = command.CertificateX509
		attrs[command.AttrID] = []byte{}
		attrs[command.AttrTrusted] = false
	default:
		attrs[command.AttrApplication] = ""
		attrs[command.AttrObjectID] = []byte{}
	}
	return attrs
}

func (s Spec) keyDefaults(attrs, t command.Template) {
	attrs[command.AttrKeyType] = s.KeyType
	attrs[command.AttrID] = []byte{}
	attrs[command.AttrLocal] = s.Origin == command.OriginGenerate
	attrs[command.AttrKeyGenMechanism] = command.NoMechanism
	if s.Origin == command.OriginGenerate {
		attrs[command.AttrKeyGenMechanism] = uint64(s.Mechanism)
	}
	for _, group := range purposes {
		for _, typ := range group {
			if presences[typ].has(s.Class, s.KeyType) {
				attrs[typ] = false
			}
		}
	}
	for _, typ := range s.uses(t) {
		attrs[typ] = true
	}
	if s.Class == command.ClassPublicKey {
		attrs[command.AttrTrusted] = false
		return
	}
	attrs[command.AttrAssigned] = false
	attrs[command.AttrSensitive] = true
	attrs[command.AttrExtractable] = false
	attrs[command.AttrWrapWithTrusted] = false
}

// uses returns what a key is for if its template does not say.
func (s Spec) uses(t command.Template) []command.AttributeType {
	uses := kinds[s.KeyType].uses(s.Class)
	switch {
	case !s.OnePurpose || len(uses) == 0:
		return uses
	case countPurposes(t) > 0:
		return nil
	}
	var first []command.AttributeType
	for _, typ := range uses {
		if purposeOf(typ) == purposeOf(uses[0]) {
			first = append(first, typ)
		}
	}
	return first
}

func missing(typ command.AttributeType) error {
	return command.StatusTemplateIncomplete.Withf("%s is missing", typ)
}
