package object

import (
	"bytes"
	"crypto/x509"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
)

// settle checks what attributes say of each other and derives those that
// follow from them.
func (d Draft) settle(s Spec) error {
	class, _ := d.attrs.Uint(command.AttrClass)
	keyType, _ := d.attrs.Uint(command.AttrKeyType)
	if class != s.Class || keyType != s.KeyType {
		return command.StatusTemplateInconsistent.With("class or key-type contradicts the mechanism", "leave them out")
	}
	if err := checkDates(d.attrs); err != nil {
		return err
	}
	switch s.Class {
	case command.ClassData:
		if _, ok := d.attrs[command.AttrValue]; !ok {
			d.attrs[command.AttrValue] = []byte{}
		}
		return nil
	case command.ClassCertificate:
		return d.settleCertificate()
	}
	if err := d.requireSize(s); err != nil {
		return err
	}
	if s.Class == command.ClassPublicKey {
		return d.settlePublic(s)
	}
	return d.settleHidden(s)
}

// checkDates wants an end that is not before the start.
func checkDates(t command.Template) error {
	start, _ := parseDate(t.Text(command.AttrStartDate))
	end, _ := parseDate(t.Text(command.AttrEndDate))
	if !start.IsZero() && !end.IsZero() && end.Before(start) {
		return command.StatusTemplateInconsistent.With("end-date is before start-date", "")
	}
	return nil
}

// settleCertificate takes from the certificate what the template does not say.
func (d Draft) settleCertificate() error {
	value := d.attrs.Bytes(command.AttrValue)
	if len(value) == 0 {
		return missing(command.AttrValue)
	}
	d.attrs[command.AttrCheckValue] = digestCheck(value)
	parsed, err := x509.ParseCertificate(value)
	if err == nil {
		d.otherwise(command.AttrSubject, parsed.RawSubject)
		d.otherwise(command.AttrIssuer, parsed.RawIssuer)
		d.otherwise(command.AttrSerialNumber, derInteger(parsed.SerialNumber))
	}
	if _, ok := d.attrs[command.AttrSubject]; !ok {
		return missing(command.AttrSubject)
	}
	return nil
}

// otherwise sets an attribute that the template left out.
func (d Draft) otherwise(typ command.AttributeType, value []byte) {
	if _, ok := d.attrs[typ]; !ok {
		d.attrs[typ] = value
	}
}

// requireSize wants the attribute that tells the size of a new key.
func (d Draft) requireSize(s Spec) error {
	size := kinds[s.KeyType].size
	if s.Origin != command.OriginGenerate || size == 0 || s.misplaced(size) {
		return nil
	}
	if _, ok := d.attrs[size]; !ok {
		return missing(size)
	}
	return nil
}

// exponent is mech.RSAExponent as the attribute has it: big-endian.
var exponent = []byte{0x01, 0x00, 0x01}

func (d Draft) settlePublic(s Spec) error {
	if s.KeyType != command.KeyRSA || s.Origin != command.OriginGenerate {
		return nil
	}
	given, ok := d.attrs[command.AttrPublicExponent].([]byte)
	if ok && !bytes.Equal(bytes.TrimLeft(given, "\x00"), exponent) {
		return invalid(command.AttrPublicExponent, fmt.Sprintf("is always %d", mech.RSAExponent))
	}
	d.attrs[command.AttrPublicExponent] = exponent
	return nil
}

// settleHidden keeps key material inside: such keys are private objects and
// sensitive. What was ever otherwise is remembered.
func (d Draft) settleHidden(s Spec) error {
	if !d.attrs.Bool(command.AttrPrivate, false) {
		return command.StatusTemplateInconsistent.With("private and secret keys are private objects", "set private to true")
	}
	if !d.attrs.Bool(command.AttrSensitive, false) {
		status := command.StatusPrivateMustBeSensitive
		if s.Class == command.ClassSecretKey {
			status = command.StatusSecretMustBeSensitive
		}
		return status.With("keys of this device are always sensitive", "set sensitive to true")
	}
	always, never := s.Origin == command.OriginGenerate, s.Origin == command.OriginGenerate
	if s.Base != nil {
		always, never = s.Base.attrs.Bool(command.AttrAlwaysSensitive, false), s.Base.attrs.Bool(command.AttrNeverExtractable, false)
	}
	d.attrs[command.AttrAlwaysSensitive] = always
	d.attrs[command.AttrNeverExtractable] = never && !d.attrs.Bool(command.AttrExtractable, false)
	return nil
}

// Token reports whether the object will be stored.
func (d Draft) Token() bool { return d.attrs.Bool(command.AttrToken, false) }

// Bool returns a truth value of the draft, such as sensitive; false if it lacks
// the attribute.
func (d Draft) Bool(typ command.AttributeType) bool { return d.attrs.Bool(typ, false) }

// Uint returns a number of the draft, such as modulus-bits.
func (d Draft) Uint(typ command.AttributeType) uint64 {
	v, _ := d.attrs.Uint(typ)
	return v
}

// Bytes returns a byte string of the draft, such as ec-params.
func (d Draft) Bytes(typ command.AttributeType) []byte { return d.attrs.Bytes(typ) }

// Class returns the class of the draft.
func (d Draft) Class() uint64 { return d.Uint(command.AttrClass) }

// IsKey reports whether it is a key.
func (d Draft) IsKey() bool { return onKey.has(d.Class()) }

// HasDates reports whether the template gives a start-date or an end-date.
func (d Draft) HasDates() bool {
	return d.attrs.Text(command.AttrStartDate) != "" || d.attrs.Text(command.AttrEndDate) != ""
}

// Purposes returns how many kinds of use the key has: ciphers, signatures,
// wrapping, derivation.
func (d Draft) Purposes() int { return countPurposes(d.attrs) }

// Purposes returns how many kinds of use the object has.
func (o *Object) Purposes() int { return countPurposes(o.attrs) }

func countPurposes(t command.Template) int {
	n := 0
	for _, group := range purposes {
		for _, typ := range group {
			if t.Bool(typ, false) {
				n++
				break
			}
		}
	}
	return n
}

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
