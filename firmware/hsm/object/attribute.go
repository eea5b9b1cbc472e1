package object

import (
	"fmt"
	"maps"
	"slices"

	"usbhsm7/firmware/command"
)

// classes is a set of object classes: bit n is class n.
type classes uint8

const (
	onPublic  classes = 1 << command.ClassPublicKey
	onPrivate classes = 1 << command.ClassPrivateKey
	onSecret  classes = 1 << command.ClassSecretKey
	onAny             = onPublic | onPrivate | onSecret
)

// keyTypes is a set of key types.
type keyTypes uint8

const (
	ofRSA     keyTypes = 1 << iota
	ofCurve            // EC, Edwards and Montgomery
	ofLattice          // ML-KEM and ML-DSA
	ofDES3
	ofSecret // of a length to choose: AES and generic secrets
	ofAny    = ofRSA | ofCurve | ofLattice | ofDES3 | ofSecret
)

// presence says which objects have an attribute, and which templates may name
// it when they make one.
type presence struct {
	classes  classes
	keyTypes keyTypes
	template classes
}

// presences follows PKCS#11 3.1, sections 4.7 to 4.10, 6.1.2 and 6.3.3. One
// attribute goes beyond it: an EC private key has its ec-point, so that a host
// needs no second object to know the public key.
var presences = map[command.AttributeType]presence{
	command.AttrClass:            {onAny, ofAny, onAny},
	command.AttrToken:            {onAny, ofAny, onAny},
	command.AttrPrivate:          {onAny, ofAny, onAny},
	command.AttrLabel:            {onAny, ofAny, onAny},
	command.AttrKeyType:          {onAny, ofAny, onAny},
	command.AttrID:               {onAny, ofAny, onAny},
	command.AttrLocal:            {onAny, ofAny, 0},
	command.AttrKeyGenMechanism:  {onAny, ofAny, 0},
	command.AttrModifiable:       {onAny, ofAny, onAny},
	command.AttrEncrypt:          {onPublic | onSecret, ofAny, onPublic | onSecret},
	command.AttrDecrypt:          {onPrivate | onSecret, ofAny, onPrivate | onSecret},
	command.AttrSign:             {onPrivate | onSecret, ofAny, onPrivate | onSecret},
	command.AttrVerify:           {onPublic | onSecret, ofAny, onPublic | onSecret},
	command.AttrSensitive:        {onPrivate | onSecret, ofAny, onPrivate | onSecret},
	command.AttrExtractable:      {onPrivate | onSecret, ofAny, onPrivate | onSecret},
	command.AttrNeverExtractable: {onPrivate | onSecret, ofAny, 0},
	command.AttrAlwaysSensitive:  {onPrivate | onSecret, ofAny, 0},
	command.AttrValue:            {onPrivate | onSecret, ofAny, 0},
	command.AttrValueLen:         {onSecret, ofSecret, onSecret},
	command.AttrModulus:          {onPublic | onPrivate, ofRSA, 0},
	command.AttrModulusBits:      {onPublic, ofRSA, onPublic},
	command.AttrPublicExponent:   {onPublic | onPrivate, ofRSA, onPublic},
	command.AttrECParams:         {onPublic | onPrivate, ofCurve, onPublic},
	command.AttrParameterSet:     {onPublic | onPrivate, ofLattice, onPublic},
	command.AttrECPoint:          {onPublic | onPrivate, ofCurve, 0},
}

func typeSet(keyType uint64) keyTypes {
	switch keyType {
	case command.KeyRSA:
		return ofRSA
	case command.KeyEC, command.KeyECEdwards, command.KeyECMontgomery:
		return ofCurve
	case command.KeyMLKEM, command.KeyMLDSA:
		return ofLattice
	case command.KeyDES3:
		return ofDES3
	}
	return ofSecret
}

// has reports whether objects of a class and key type have the attribute.
func (p presence) has(class, keyType uint64) bool {
	return p.classes>>class&1 == 1 && p.keyTypes&typeSet(keyType) != 0
}

// Limits of attribute values in bytes.
const (
	maxLabel = 255
	maxID    = 64
)

// checkValue refuses values that no object may have.
func checkValue(typ command.AttributeType, value any) error {
	switch v := value.(type) {
	case string:
		if len(v) > maxLabel {
			return invalid(typ, fmt.Sprintf("has at most %d bytes", maxLabel))
		}
	case []byte:
		if typ == command.AttrID && len(v) > maxID {
			return invalid(typ, fmt.Sprintf("has at most %d bytes", maxID))
		}
	}
	return nil
}

// inOrder returns the attributes of a template in ascending order, so that of
// several faults always the same one is reported.
func inOrder(t command.Template) []command.AttributeType { return slices.Sorted(maps.Keys(t)) }

func invalid(typ command.AttributeType, rule string) error {
	return command.StatusAttributeValueInvalid.With(fmt.Sprintf("%s %s", typ, rule), "")
}
