package command

import (
	"fmt"
	"maps"
	"slices"
)

// Handle names an object. Token objects keep theirs until they are destroyed;
// 0 is never a handle.
type Handle uint32

// AttributeType is a PKCS#11 CKA_ number.
type AttributeType uint32

// The attributes known to the device (PKCS#11 3.1).
const (
	AttrClass            AttributeType = 0x0000
	AttrToken            AttributeType = 0x0001
	AttrPrivate          AttributeType = 0x0002
	AttrLabel            AttributeType = 0x0003
	AttrValue            AttributeType = 0x0011
	AttrKeyType          AttributeType = 0x0100
	AttrID               AttributeType = 0x0102
	AttrSensitive        AttributeType = 0x0103
	AttrEncrypt          AttributeType = 0x0104
	AttrDecrypt          AttributeType = 0x0105
	AttrSign             AttributeType = 0x0108
	AttrVerify           AttributeType = 0x010A
	AttrModulus          AttributeType = 0x0120
	AttrModulusBits      AttributeType = 0x0121
	AttrPublicExponent   AttributeType = 0x0122
	AttrValueLen         AttributeType = 0x0161
	AttrExtractable      AttributeType = 0x0162
	AttrLocal            AttributeType = 0x0163
	AttrNeverExtractable AttributeType = 0x0164
	AttrAlwaysSensitive  AttributeType = 0x0165
	AttrKeyGenMechanism  AttributeType = 0x0166
	AttrModifiable       AttributeType = 0x0170
	AttrECParams         AttributeType = 0x0180
	AttrECPoint          AttributeType = 0x0181
	AttrParameterSet     AttributeType = 0x061D
)

// Kind is the type of an attribute's value, in CBOR and in Go.
type Kind uint8

const (
	KindBool  Kind = iota // bool
	KindUint              // uint64
	KindBytes             // []byte
	KindText              // string, UTF-8
)

// AttributeRow describes one attribute.
type AttributeRow struct {
	Type    AttributeType
	Name    string // short name, as in hsm7 --attr label=x
	Kind    Kind
	OnMake  bool // may stand in a template that makes a key
	OnWrite bool // may be changed later, if the object is modifiable
	Secret  bool // never leaves the device
}

// Attributes is the attribute table, ordered by type.
var Attributes = []AttributeRow{
	{AttrClass, "class", KindUint, true, false, false},
	{AttrToken, "token", KindBool, true, false, false},
	{AttrPrivate, "private", KindBool, true, false, false},
	{AttrLabel, "label", KindText, true, true, false},
	{AttrValue, "value", KindBytes, false, false, true},
	{AttrKeyType, "key-type", KindUint, true, false, false},
	{AttrID, "id", KindBytes, true, true, false},
	{AttrSensitive, "sensitive", KindBool, true, false, false},
	{AttrEncrypt, "encrypt", KindBool, true, true, false},
	{AttrDecrypt, "decrypt", KindBool, true, true, false},
	{AttrSign, "sign", KindBool, true, true, false},
	{AttrVerify, "verify", KindBool, true, true, false},
	{AttrModulus, "modulus", KindBytes, false, false, false},
	{AttrModulusBits, "modulus-bits", KindUint, true, false, false},
	{AttrPublicExponent, "public-exponent", KindBytes, true, false, false},
	{AttrValueLen, "value-len", KindUint, true, false, false},
	{AttrExtractable, "extractable", KindBool, true, false, false},
	{AttrLocal, "local", KindBool, false, false, false},
	{AttrNeverExtractable, "never-extractable", KindBool, false, false, false},
	{AttrAlwaysSensitive, "always-sensitive", KindBool, false, false, false},
	{AttrKeyGenMechanism, "key-gen-mechanism", KindUint, false, false, false},
	{AttrModifiable, "modifiable", KindBool, true, false, false},
	{AttrECParams, "ec-params", KindBytes, true, false, false},
	{AttrECPoint, "ec-point", KindBytes, false, false, false},
	{AttrParameterSet, "parameter-set", KindUint, true, false, false},
}

// LookupAttribute returns the row of t.
func LookupAttribute(t AttributeType) (AttributeRow, bool) {
	for _, row := range Attributes {
		if row.Type == t {
			return row, true
		}
	}
	return AttributeRow{}, false
}

// String returns the attribute's short name.
func (t AttributeType) String() string {
	if row, ok := LookupAttribute(t); ok {
		return row.Name
	}
	return fmt.Sprintf("attribute %#x", uint32(t))
}

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
			return StatusAttributeTypeInvalid.With(fmt.Sprintf("attribute %#x is unknown", uint32(typ)), "")
		}
		if !row.Kind.holds(t[typ]) {
			return StatusAttributeValueInvalid.With(fmt.Sprintf("attribute %s takes a %s", row.Name, row.Kind), "")
		}
	}
	return nil
}

// String returns the CBOR name of the kind.
func (k Kind) String() string {
	switch k {
	case KindBool:
		return "truth value"
	case KindUint:
		return "non-negative number"
	case KindBytes:
		return "byte string"
	case KindText:
		return "text"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

func (k Kind) holds(value any) bool {
	switch value.(type) {
	case bool:
		return k == KindBool
	case uint64:
		return k == KindUint
	case []byte:
		return k == KindBytes
	case string:
		return k == KindText
	}
	return false
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

// Object classes (PKCS#11 CKO_), the values of AttrClass.
const (
	ClassPublicKey  uint64 = 2
	ClassPrivateKey uint64 = 3
	ClassSecretKey  uint64 = 4
)

// Key types (PKCS#11 CKK_), the values of AttrKeyType.
const (
	KeyRSA           uint64 = 0x00
	KeyEC            uint64 = 0x03
	KeyGenericSecret uint64 = 0x10
	KeyDES3          uint64 = 0x15
	KeyAES           uint64 = 0x1F
	KeyECEdwards     uint64 = 0x40
	KeyECMontgomery  uint64 = 0x41
	KeyMLKEM         uint64 = 0x49
	KeyMLDSA         uint64 = 0x4A
)

// Parameter sets of ML-KEM and ML-DSA (PKCS#11 CKP_).
const (
	MLKEM768  uint64 = 2
	MLKEM1024 uint64 = 3
	MLDSA44   uint64 = 1
	MLDSA65   uint64 = 2
	MLDSA87   uint64 = 3
)
