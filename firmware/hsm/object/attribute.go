package object

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"usbhsm7/firmware/command"
)

// classes is a set of object classes: bit n is class n.
type classes uint8

const (
	onData        classes = 1 << command.ClassData
	onCertificate classes = 1 << command.ClassCertificate
	onPublic      classes = 1 << command.ClassPublicKey
	onPrivate     classes = 1 << command.ClassPrivateKey
	onSecret      classes = 1 << command.ClassSecretKey
	onPair                = onPublic | onPrivate
	onHidden              = onPrivate | onSecret
	onKey                 = onPair | onSecret
	onAny                 = onKey | onData | onCertificate
)

// has reports whether a class is in the set.
func (s classes) has(class uint64) bool { return class < 8 && s>>class&1 == 1 }

// presence says which objects have an attribute.
type presence struct {
	classes classes
	// families of the keys among them; other objects have none.
	families families
	// given narrows the classes whose templates may name it, beyond what the
	// row in command.Attributes says; 0 means all of them.
	given classes
}

// presences follows PKCS#11 3.1, sections 4.5 to 4.10, 6.1.2 and 6.3.3. One
// attribute goes beyond it: an EC private key has its ec-point, so that a host
// needs no second object to know the public key.
var presences = map[command.AttributeType]presence{
	command.AttrClass:              {onAny, ofAny, 0},
	command.AttrToken:              {onAny, ofAny, 0},
	command.AttrPrivate:            {onAny, ofAny, 0},
	command.AttrLabel:              {onAny, ofAny, 0},
	command.AttrUniqueID:           {onAny, ofAny, 0},
	command.AttrModifiable:         {onAny, ofAny, 0},
	command.AttrCopyable:           {onAny, ofAny, 0},
	command.AttrDestroyable:        {onAny, ofAny, 0},
	command.AttrGeneric1:           {onAny, ofAny, 0},
	command.AttrGeneric2:           {onAny, ofAny, 0},
	command.AttrGeneric3:           {onAny, ofAny, 0},
	command.AttrApplication:        {onData, 0, 0},
	command.AttrObjectID:           {onData, 0, 0},
	command.AttrValue:              {onData | onCertificate | onKey, ofAny, 0},
	command.AttrCertificateType:    {onCertificate, 0, 0},
	command.AttrIssuer:             {onCertificate, 0, 0},
	command.AttrSerialNumber:       {onCertificate, 0, 0},
	command.AttrTrusted:            {onCertificate | onPublic, ofAny, 0},
	command.AttrCheckValue:         {onCertificate | onSecret, ofSecret | ofDES3, 0},
	command.AttrSubject:            {onCertificate | onPair, ofAny, 0},
	command.AttrID:                 {onCertificate | onKey, ofAny, 0},
	command.AttrStartDate:          {onCertificate | onKey, ofAny, 0},
	command.AttrEndDate:            {onCertificate | onKey, ofAny, 0},
	command.AttrPublicKeyInfo:      {onPair, ofRSA | ofCurve, 0},
	command.AttrKeyType:            {onKey, ofAny, 0},
	command.AttrLocal:              {onKey, ofAny, 0},
	command.AttrKeyGenMechanism:    {onKey, ofAny, 0},
	command.AttrAllowedMechanisms:  {onKey, ofAny, 0},
	command.AttrUsageCount:         {onKey, ofAny, 0},
	command.AttrUsageLimit:         {onKey, ofAny, 0},
	command.AttrEncapsulate:        {onPublic, ofLattice, 0},
	command.AttrDecapsulate:        {onPrivate, ofLattice, 0},
	command.AttrDerive:             {onKey, ofAny, 0},
	command.AttrEncrypt:            {onPublic | onSecret, ofAny, 0},
	command.AttrDecrypt:            {onHidden, ofAny, 0},
	command.AttrSign:               {onHidden, ofAny, 0},
	command.AttrVerify:             {onPublic | onSecret, ofAny, 0},
	command.AttrWrap:               {onPublic | onSecret, ofAny, 0},
	command.AttrUnwrap:             {onHidden, ofAny, 0},
	command.AttrSensitive:          {onHidden, ofAny, 0},
	command.AttrExtractable:        {onHidden, ofAny, 0},
	command.AttrNeverExtractable:   {onHidden, ofAny, 0},
	command.AttrAlwaysSensitive:    {onHidden, ofAny, 0},
	command.AttrWrapWithTrusted:    {onHidden, ofAny, 0},
	command.AttrAuthData:           {onHidden, ofAny, 0},
	command.AttrAssigned:           {onHidden, ofAny, 0},
	command.AttrKeyStatus:          {onHidden, ofAny, 0},
	command.AttrFailedAuthCount:    {onHidden, ofAny, 0},
	command.AttrAlwaysAuthenticate: {onPrivate, ofAny, 0},
	command.AttrValueLen:           {onSecret, ofSecret, 0},
	command.AttrParameterSet:       {onPair, ofLattice, 0},
	command.AttrModulus:            {onPair, ofRSA, 0},
	command.AttrModulusBits:        {onPublic, ofRSA, 0},
	command.AttrPublicExponent:     {onPair, ofRSA, 0},
	command.AttrPrivateExponent:    {onPrivate, ofRSA, 0},
	command.AttrPrime1:             {onPrivate, ofRSA, 0},
	command.AttrPrime2:             {onPrivate, ofRSA, 0},
	command.AttrECParams:           {onPair, ofCurve, 0},
	command.AttrECPoint:            {onPair, ofCurve, onPublic},
}

// has reports whether objects of a class, and if they are keys of a type, have
// the attribute.
func (p presence) has(class, keyType uint64) bool {
	return p.classes.has(class) && (!onKey.has(class) || p.families&familyOf(keyType) != 0)
}

// Limits of attribute values in bytes.
const (
	maxLabel = 255
	maxID    = 64
	maxBytes = 1024
	maxValue = 32 << 10 // of data and certificates
)

// maxUses bounds usage-limit, so that no count overflows.
const maxUses = 1 << 62

// sizeLimits has the attributes that may be longer or shorter than maxBytes.
var sizeLimits = map[command.AttributeType]int{
	command.AttrLabel: maxLabel, command.AttrApplication: maxLabel, command.AttrID: maxID, command.AttrValue: maxValue,
}

// checkValue refuses values that no object may have.
func checkValue(typ command.AttributeType, value any) error {
	limit, ok := sizeLimits[typ]
	if !ok {
		limit = maxBytes
	}
	switch v := value.(type) {
	case string:
		if len(v) > limit {
			return invalid(typ, fmt.Sprintf("has at most %d bytes", limit))
		}
	case []byte:
		if len(v) > limit {
			return invalid(typ, fmt.Sprintf("has at most %d bytes", limit))
		}
	}
	return checkForm(typ, value)
}

// checkForm checks what some attributes have inside.
func checkForm(typ command.AttributeType, value any) error {
	switch typ {
	case command.AttrStartDate, command.AttrEndDate:
		if _, err := parseDate(value.(string)); err != nil {
			return invalid(typ, "is a date like 20261231, or empty")
		}
	case command.AttrAllowedMechanisms:
		if n := len(value.([]byte)); n%4 != 0 {
			return invalid(typ, "holds numbers of four bytes each, big-endian")
		}
	case command.AttrAlwaysAuthenticate:
		if value.(bool) {
			return command.StatusTemplateInconsistent.With("always-authenticate is not supported", "set authorization data for the key instead")
		}
	case command.AttrCertificateType:
		if value.(uint64) != command.CertificateX509 {
			return invalid(typ, "is always 0, X.509")
		}
	case command.AttrUsageLimit:
		if n := value.(uint64); n == 0 || n > maxUses {
			return invalid(typ, fmt.Sprintf("is 1 to %d", uint64(maxUses)))
		}
	}
	return nil
}

// parseDate returns the day of a date attribute; an empty one gives the zero
// time.
func parseDate(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse("20060102", text)
}

// inOrder returns the attributes of a template in ascending order, so that of
// several faults always the same one is reported.
func inOrder(t command.Template) []command.AttributeType { return slices.Sorted(maps.Keys(t)) }

func invalid(typ command.AttributeType, rule string) error {
	return command.StatusAttributeValueInvalid.Withf("%s %s", typ, rule)
}
