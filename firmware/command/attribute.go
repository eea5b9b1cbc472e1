package command

import "fmt"

// AttributeType is a PKCS#11 CKA_ number.
type AttributeType uint32

// The attributes known to the device. Those below 0x80000000 are PKCS#11 3.1's;
// those above are Thales' (pycryptoki, defines.py).
const (
	AttrClass              AttributeType = 0x0000
	AttrToken              AttributeType = 0x0001
	AttrPrivate            AttributeType = 0x0002
	AttrLabel              AttributeType = 0x0003
	AttrUniqueID           AttributeType = 0x0004
	AttrApplication        AttributeType = 0x0010
	AttrValue              AttributeType = 0x0011
	AttrObjectID           AttributeType = 0x0012
	AttrCertificateType    AttributeType = 0x0080
	AttrIssuer             AttributeType = 0x0081
	AttrSerialNumber       AttributeType = 0x0082
	AttrTrusted            AttributeType = 0x0086
	AttrCheckValue         AttributeType = 0x0090
	AttrKeyType            AttributeType = 0x0100
	AttrSubject            AttributeType = 0x0101
	AttrID                 AttributeType = 0x0102
	AttrSensitive          AttributeType = 0x0103
	AttrEncrypt            AttributeType = 0x0104
	AttrDecrypt            AttributeType = 0x0105
	AttrWrap               AttributeType = 0x0106
	AttrUnwrap             AttributeType = 0x0107
	AttrSign               AttributeType = 0x0108
	AttrVerify             AttributeType = 0x010A
	AttrDerive             AttributeType = 0x010C
	AttrStartDate          AttributeType = 0x0110
	AttrEndDate            AttributeType = 0x0111
	AttrModulus            AttributeType = 0x0120
	AttrModulusBits        AttributeType = 0x0121
	AttrPublicExponent     AttributeType = 0x0122
	AttrPrivateExponent    AttributeType = 0x0123
	AttrPrime1             AttributeType = 0x0124
	AttrPrime2             AttributeType = 0x0125
	AttrPublicKeyInfo      AttributeType = 0x0129
	AttrValueLen           AttributeType = 0x0161
	AttrExtractable        AttributeType = 0x0162
	AttrLocal              AttributeType = 0x0163
	AttrNeverExtractable   AttributeType = 0x0164
	AttrAlwaysSensitive    AttributeType = 0x0165
	AttrKeyGenMechanism    AttributeType = 0x0166
	AttrModifiable         AttributeType = 0x0170
	AttrCopyable           AttributeType = 0x0171
	AttrDestroyable        AttributeType = 0x0172
	AttrECParams           AttributeType = 0x0180
	AttrECPoint            AttributeType = 0x0181
	AttrAlwaysAuthenticate AttributeType = 0x0202
	AttrWrapWithTrusted    AttributeType = 0x0210
	AttrParameterSet       AttributeType = 0x061D
	AttrEncapsulate        AttributeType = 0x0633 // PKCS#11 3.2, as the next
	AttrDecapsulate        AttributeType = 0x0634
	AttrAllowedMechanisms  AttributeType = 0x40000600
	AttrUsageCount         AttributeType = 0x80000101
	AttrUsageLimit         AttributeType = 0x80000200
	AttrGeneric1           AttributeType = 0x80001000
	AttrGeneric2           AttributeType = 0x80001001
	AttrGeneric3           AttributeType = 0x80001002
	AttrAuthData           AttributeType = 0x80001005
	AttrAssigned           AttributeType = 0x80001006
	AttrKeyStatus          AttributeType = 0x80001007
	AttrFailedAuthCount    AttributeType = 0x80001008
)

// Kind is the type of an attribute's value, in CBOR and in Go.
type Kind uint8

const (
	KindBool  Kind = iota // bool
	KindUint              // uint64
	KindBytes             // []byte
	KindText              // string, UTF-8
)

// Origin is how an object comes into being; each has its own rules for the
// template.
type Origin uint8

const (
	OriginGenerate Origin = iota // made by the device from its own randomness
	OriginCreate                 // create-object
	OriginReceive                // unwrapped, derived or decapsulated
	OriginCopy
)

// Origins is a set of origins as bits: bit o is Origin o.
type Origins uint8

// Sets of origins for the table.
const (
	never     Origins = 0
	onMake    Origins = 1<<OriginGenerate | 1<<OriginCreate | 1<<OriginReceive
	onCopy    Origins = 1 << OriginCopy
	onCreate  Origins = 1 << OriginCreate
	unlocally Origins = 1<<OriginCreate | 1<<OriginReceive
)

// Has reports whether o is in the set.
func (s Origins) Has(o Origin) bool { return s>>o&1 == 1 }

// Direction says how an attribute may change once the object is made.
type Direction uint8

const (
	Fixed     Direction = iota
	Free                // to any value
	OnlyTrue            // from false to true
	OnlyFalse           // from true to false
)

// String returns the direction as docs/protocol.md prints it.
func (d Direction) String() string {
	return [...]string{"", "yes", "to true", "to false"}[d&3]
}

// AttributeRow describes one attribute.
type AttributeRow struct {
	Type   AttributeType
	Name   string // short name, as in hsm7 --attr label=x
	Kind   Kind
	Given  Origins   // which templates may name it
	Change Direction // in set-attributes and copy-object, if the object is modifiable
	Secret bool      // of a key it never leaves the device
}

// Attributes is the attribute table, ordered by type. Names and directions are
// those of PKCS#11 3.1, sections 4.4 to 4.10.
var Attributes = []AttributeRow{
	{AttrClass, "class", KindUint, onMake, Fixed, false},
	{AttrToken, "token", KindBool, onMake | onCopy, Fixed, false},
	{AttrPrivate, "private", KindBool, onMake | onCopy, Fixed, false},
	{AttrLabel, "label", KindText, onMake, Free, false},
	{AttrUniqueID, "unique-id", KindText, never, Fixed, false},
	{AttrApplication, "application", KindText, onCreate, Free, false},
	{AttrValue, "value", KindBytes, onCreate, Fixed, true},
	{AttrObjectID, "object-id", KindBytes, onCreate, Free, false},
	{AttrCertificateType, "certificate-type", KindUint, onCreate, Fixed, false},
	{AttrIssuer, "issuer", KindBytes, onCreate, Free, false},
	{AttrSerialNumber, "serial-number", KindBytes, onCreate, Free, false},
	{AttrTrusted, "trusted", KindBool, never, Free, false},
	{AttrCheckValue, "check-value", KindBytes, never, Fixed, false},
	{AttrKeyType, "key-type", KindUint, onMake, Fixed, false},
	{AttrSubject, "subject", KindBytes, onMake, Free, false},
	{AttrID, "id", KindBytes, onMake, Free, false},
	{AttrSensitive, "sensitive", KindBool, onMake, OnlyTrue, false},
	{AttrEncrypt, "encrypt", KindBool, onMake, Free, false},
	{AttrDecrypt, "decrypt", KindBool, onMake, Free, false},
	{AttrWrap, "wrap", KindBool, onMake, Free, false},
	{AttrUnwrap, "unwrap", KindBool, onMake, Free, false},
	{AttrSign, "sign", KindBool, onMake, Free, false},
	{AttrVerify, "verify", KindBool, onMake, Free, false},
	{AttrDerive, "derive", KindBool, onMake, Free, false},
	{AttrStartDate, "start-date", KindText, onMake, Free, false},
	{AttrEndDate, "end-date", KindText, onMake, Free, false},
	{AttrModulus, "modulus", KindBytes, onCreate, Fixed, false},
	{AttrModulusBits, "modulus-bits", KindUint, 1 << OriginGenerate, Fixed, false},
	{AttrPublicExponent, "public-exponent", KindBytes, 1<<OriginGenerate | onCreate, Fixed, false},
	{AttrPrivateExponent, "private-exponent", KindBytes, onCreate, Fixed, true},
	{AttrPrime1, "prime-1", KindBytes, onCreate, Fixed, true},
	{AttrPrime2, "prime-2", KindBytes, onCreate, Fixed, true},
	{AttrPublicKeyInfo, "public-key-info", KindBytes, never, Fixed, false},
	{AttrValueLen, "value-len", KindUint, 1<<OriginGenerate | 1<<OriginReceive, Fixed, false},
	{AttrExtractable, "extractable", KindBool, onMake, OnlyFalse, false},
	{AttrLocal, "local", KindBool, never, Fixed, false},
	{AttrNeverExtractable, "never-extractable", KindBool, never, Fixed, false},
	{AttrAlwaysSensitive, "always-sensitive", KindBool, never, Fixed, false},
	{AttrKeyGenMechanism, "key-gen-mechanism", KindUint, never, Fixed, false},
	{AttrModifiable, "modifiable", KindBool, onMake | onCopy, Fixed, false},
	{AttrCopyable, "copyable", KindBool, onMake, OnlyFalse, false},
	{AttrDestroyable, "destroyable", KindBool, onMake | onCopy, Free, false},
	{AttrECParams, "ec-params", KindBytes, 1<<OriginGenerate | unlocally, Fixed, false},
	{AttrECPoint, "ec-point", KindBytes, onCreate, Fixed, false},
	{AttrAlwaysAuthenticate, "always-authenticate", KindBool, onMake, Fixed, false},
	{AttrWrapWithTrusted, "wrap-with-trusted", KindBool, onMake, OnlyTrue, false},
	{AttrParameterSet, "parameter-set", KindUint, onMake, Fixed, false},
	{AttrEncapsulate, "encapsulate", KindBool, onMake, Free, false},
	{AttrDecapsulate, "decapsulate", KindBool, onMake, Free, false},
	{AttrAllowedMechanisms, "allowed-mechanisms", KindBytes, onMake, Fixed, false},
	{AttrUsageCount, "usage-count", KindUint, never, Fixed, false},
	{AttrUsageLimit, "usage-limit", KindUint, onMake, Free, false},
	{AttrGeneric1, "generic-1", KindBytes, onMake, Free, false},
	{AttrGeneric2, "generic-2", KindBytes, onMake, Free, false},
	{AttrGeneric3, "generic-3", KindBytes, onMake, Free, false},
	{AttrAuthData, "auth-data", KindBytes, onMake, Fixed, true},
	{AttrAssigned, "assigned", KindBool, onMake, Fixed, false},
	{AttrKeyStatus, "key-status", KindUint, never, Fixed, false},
	{AttrFailedAuthCount, "failed-auth-count", KindUint, never, Fixed, false},
}

var attributeOf = func() map[AttributeType]*AttributeRow {
	m := make(map[AttributeType]*AttributeRow, len(Attributes))
	for i := range Attributes {
		m[Attributes[i].Type] = &Attributes[i]
	}
	return m
}()

// LookupAttribute returns the row of t.
func LookupAttribute(t AttributeType) (AttributeRow, bool) {
	if row, ok := attributeOf[t]; ok {
		return *row, true
	}
	return AttributeRow{}, false
}

// ParseAttribute returns the row with the short name s.
func ParseAttribute(s string) (AttributeRow, error) {
	for _, row := range Attributes {
		if row.Name == s {
			return row, nil
		}
	}
	return AttributeRow{}, fmt.Errorf("no attribute %q", s)
}

// String returns the attribute's short name.
func (t AttributeType) String() string {
	if row, ok := LookupAttribute(t); ok {
		return row.Name
	}
	return fmt.Sprintf("attribute %#x", uint32(t))
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
