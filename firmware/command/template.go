package command

import (
	"maps"
	"slices"
)

// Template maps attributes to values. Each value has the Go type of the
// attribute's Kind: bool, uint64, []byte or string.
type Template map[AttributeType]any

// Check returns an error with StatusAttributeTypeInvalid for an attribute that
// the table lacks, and with StatusAttributeValueInvalid for a value of another
// kind than the table says. Of several defects it names the one of the lowest
// attribute.
func (t Template) Check() error {
	for _, typ := range slices.Sorted(maps.Keys(t)) {
		row, ok := LookupAttribute(typ)
		if !ok {
			return StatusAttributeTypeInvalid.Withf("attribute %#x is unknown", uint32(typ))
		}
		if !row.Kind.holds(t[typ]) {
			return StatusAttributeValueInvalid.Withf("attribute %s takes a %s", row.Name, row.Kind)
		}
	}
	return nil
}

// Bool returns the boolean attribute typ, or otherwise if t lacks it.
func (t Template) Bool(typ AttributeType, otherwise bool) bool {
	if v, ok := t[typ].(bool); ok {
		return v
	}
	return otherwise
}

// Uint returns the number attribute typ and whether t has it.
func (t Template) Uint(typ AttributeType) (uint64, bool) {
	v, ok := t[typ].(uint64)
	return v, ok
}

// Bytes returns the byte-string attribute typ, nil if t lacks it.
func (t Template) Bytes(typ AttributeType) []byte {
	v, _ := t[typ].([]byte)
	return v
}

// Text returns the text attribute typ, empty if t lacks it.
func (t Template) Text(typ AttributeType) string {
	v, _ := t[typ].(string)
	return v
}

// Wipe overwrites what is secret in the template of a private or secret key, or of
// an object that does not say what it is. The values of data, certificates and
// public keys are not secret, and the object goes on using them.
func (t Template) Wipe() {
	if class, ok := t.Uint(AttrClass); ok && class != ClassPrivateKey && class != ClassSecretKey {
		return
	}
	for typ, value := range t {
		if row, _ := LookupAttribute(typ); row.Secret {
			if b, ok := value.([]byte); ok {
				clear(b)
			}
		}
	}
}
