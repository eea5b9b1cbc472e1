package mech

import (
	"bytes"
	"crypto/elliptic"
	encoding "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"usbhsm7/firmware/command"
)

// Curve is an elliptic curve of the device.
type Curve struct {
	Name   string
	Bits   uint
	OID    []byte // DER object identifier, the value of ec-params
	params elliptic.Curve
}

// Curves lists the curves (RFC 5480, section 2.1.1.1).
func Curves() []Curve {
	return []Curve{
		{"P-256", 256, []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}, elliptic.P256()},
		{"P-384", 384, []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22}, elliptic.P384()},
	}
}

// CurveOf returns the curve that ec-params names: StatusKeySizeRange for one
// that the device does not have, StatusAttributeValueInvalid for what is not a
// DER object identifier.
func CurveOf(ecParams []byte) (Curve, error) {
	for _, c := range Curves() {
		if bytes.Equal(c.OID, ecParams) {
			return c, nil
		}
	}
	const hint = "give the DER object identifier of P-256 or P-384"
	var oid encoding.ObjectIdentifier
	if input := cryptobyte.String(ecParams); !input.ReadASN1ObjectIdentifier(&oid) || !input.Empty() {
		return Curve{}, command.StatusAttributeValueInvalid.With("ec-params is no DER object identifier", hint)
	}
	return Curve{}, command.StatusKeySizeRange.With(fmt.Sprintf("the device does not have the curve %v", oid), hint)
}

// derPoint wraps an uncompressed point in the DER octet string that is the
// value of ec-point (PKCS#11 3.1, section 6.3.3).
func derPoint(uncompressed []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1OctetString(uncompressed)
	return b.BytesOrPanic() // fixed short input: cannot fail
}

func pointOf(der []byte) ([]byte, error) {
	var point cryptobyte.String
	input := cryptobyte.String(der)
	if !input.ReadASN1(&point, asn1.OCTET_STRING) || !input.Empty() {
		return nil, errBadKey
	}
	return point, nil
}
