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
	Name     string
	Type     uint64 // CKK_ of its keys
	Bits     uint
	OID      []byte         // DER object identifier, the value of ec-params
	Approved bool           // SP 800-186
	params   elliptic.Curve // nil for those that crypto/elliptic lacks
}

// Object identifiers in DER.
var (
	derSecp256k1 = []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A}
	derEd25519   = []byte{0x06, 0x03, 0x2B, 0x65, 0x70}
	derX25519    = []byte{0x06, 0x03, 0x2B, 0x65, 0x6E}
)

// Curves lists the curves (RFC 5480, section 2.1.1.1; SEC 2; RFC 8410).
func Curves() []Curve {
	return []Curve{
		{"P-224", command.KeyEC, 224, []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x21}, true, elliptic.P224()},
		{"P-256", command.KeyEC, 256, []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}, true, elliptic.P256()},
		{"P-384", command.KeyEC, 384, []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22}, true, elliptic.P384()},
		{"P-521", command.KeyEC, 521, []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23}, true, elliptic.P521()},
		{"secp256k1", command.KeyEC, 256, derSecp256k1, false, nil},
		{"Ed25519", command.KeyECEdwards, 255, derEd25519, true, nil},
		{"X25519", command.KeyECMontgomery, 255, derX25519, false, nil},
	}
}

// CurveOf returns the curve that ec-params names for a key of a type:
// StatusKeySizeRange for one that the device does not have,
// StatusAttributeValueInvalid for what is not a DER object identifier.
func CurveOf(keyType uint64, ecParams []byte) (Curve, error) {
	for _, c := range Curves() {
		if c.Type == keyType && bytes.Equal(c.OID, ecParams) {
			return c, nil
		}
	}
	const hint = "give the DER object identifier of a curve of the device"
	var oid encoding.ObjectIdentifier
	if input := cryptobyte.String(ecParams); !input.ReadASN1ObjectIdentifier(&oid) || !input.Empty() {
		return Curve{}, command.StatusAttributeValueInvalid.With("ec-params is no DER object identifier", hint)
	}
	return Curve{}, command.StatusKeySizeRange.With(fmt.Sprintf("the device does not have the curve %v for such keys", oid), hint)
}

// curveWith returns the curve with parameters of crypto/elliptic.
func curveWith(params elliptic.Curve) (Curve, bool) {
	for _, c := range Curves() {
		if c.params == params {
			return c, true
		}
	}
	return Curve{}, false
}

// size returns the bytes of a scalar.
func (c Curve) size() int { return int(c.Bits+7) / 8 }

// derPoint wraps an encoded point in the DER octet string that is the value of
// ec-point (PKCS#11 3.1, section 6.3.3).
func derPoint(encoded []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1OctetString(encoded)
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
