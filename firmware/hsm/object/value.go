package object

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // PKCS#11 3.1, section 4.6.3 names it
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
)

// TakeValue takes the key out of the template of create-object, and checks it.
// It returns the stored form of a private or secret key, which the caller gives
// to Object, and nil for all other objects. What is secret is no attribute any
// more afterwards. Errors carry StatusTemplateIncomplete, and
// StatusAttributeValueInvalid for a key that is none.
func (d Draft) TakeValue() ([]byte, error) {
	if !d.IsKey() {
		return nil, nil
	}
	value, err := d.takeMaterial()
	if d.Class() != command.ClassPublicKey {
		for _, typ := range secrets {
			delete(d.attrs, typ)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := d.checkKey(value); err != nil {
		clear(value)
		return nil, err
	}
	return value, nil
}

// checkKey checks key material, and adds to a private key what is public of it.
func (d Draft) checkKey(value []byte) error {
	o := &Object{attrs: d.attrs, value: value}
	if _, err := o.parse(); err != nil {
		return command.StatusAttributeValueInvalid.With("the key is damaged, or of a size or curve that is not supported", "")
	}
	if d.Class() != command.ClassPrivateKey {
		return nil
	}
	pair, err := mech.PairOf(o.keyType(), o.public(), value)
	if err != nil {
		return command.StatusAttributeValueInvalid.With("the key has no public half", "")
	}
	d.TakePair(pair)
	return nil
}

// secrets are what is never kept as an attribute of a private or secret key.
var secrets = []command.AttributeType{command.AttrValue, command.AttrPrivateExponent, command.AttrPrime1, command.AttrPrime2}

// wanted lists what a template has to give of a key that comes from outside.
var wanted = map[families]map[uint64][]command.AttributeType{
	ofRSA: {
		command.ClassPublicKey:  {command.AttrModulus, command.AttrPublicExponent},
		command.ClassPrivateKey: {command.AttrModulus, command.AttrPublicExponent, command.AttrPrivateExponent, command.AttrPrime1, command.AttrPrime2},
	},
	ofCurve: {
		command.ClassPublicKey:  {command.AttrECParams, command.AttrECPoint},
		command.ClassPrivateKey: {command.AttrECParams, command.AttrValue},
	},
	ofLattice: {
		command.ClassPublicKey:  {command.AttrValue},
		command.ClassPrivateKey: {command.AttrValue},
	},
	ofDES3:   {command.ClassSecretKey: {command.AttrValue}},
	ofSecret: {command.ClassSecretKey: {command.AttrValue}},
}

func (d Draft) takeMaterial() ([]byte, error) {
	class, family := d.Class(), familyOf(d.Uint(command.AttrKeyType))
	for _, typ := range wanted[family][class] {
		if len(d.Bytes(typ)) == 0 {
			return nil, missing(typ)
		}
	}
	switch {
	case class == command.ClassPublicKey && family == ofRSA:
		d.attrs[command.AttrModulusBits] = uint64(bigOf(d.Bytes(command.AttrModulus)).BitLen())
		return nil, nil
	case class == command.ClassPublicKey:
		return nil, nil
	case family == ofRSA:
		return d.takeRSA()
	case family == ofCurve:
		return d.takeScalar()
	}
	return bytes.Clone(d.Bytes(command.AttrValue)), nil // the template's is wiped
}

// takeRSA returns an RSA private key as PKCS #1 has it.
func (d Draft) takeRSA() ([]byte, error) {
	e := bigOf(d.Bytes(command.AttrPublicExponent))
	if e.BitLen() > 31 {
		return nil, invalid(command.AttrPublicExponent, "is less than 2^31")
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: bigOf(d.Bytes(command.AttrModulus)), E: int(e.Int64())},
		D:         bigOf(d.Bytes(command.AttrPrivateExponent)),
		Primes:    []*big.Int{bigOf(d.Bytes(command.AttrPrime1)), bigOf(d.Bytes(command.AttrPrime2))},
	}
	if err := key.Validate(); err != nil {
		return nil, invalid(command.AttrPrivateExponent, "and the primes do not belong to the modulus")
	}
	key.Precompute()
	return x509.MarshalPKCS1PrivateKey(key), nil
}

// takeScalar returns an EC private key, as long as the group order.
func (d Draft) takeScalar() ([]byte, error) {
	curve, err := mech.CurveOf(d.Uint(command.AttrKeyType), d.Bytes(command.AttrECParams))
	if err != nil {
		return nil, err
	}
	scalar := bigOf(d.Bytes(command.AttrValue))
	size := (int(curve.Bits) + 7) / 8
	if scalar.BitLen() > 8*size {
		return nil, invalid(command.AttrValue, "is longer than the group order")
	}
	return scalar.FillBytes(make([]byte, size)), nil
}

func bigOf(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

// keyCheck returns the check value of a secret key (PKCS#11 3.1, section
// 4.10.2): the first three bytes of a zero block encrypted, or of a hash of a key
// that is for no block cipher.
func keyCheck(keyType uint64, value []byte) []byte {
	var (
		block cipher.Block
		err   error
	)
	switch keyType {
	case command.KeyAES:
		block, err = aes.NewCipher(value)
	case command.KeyDES3:
		block, err = des.NewTripleDESCipher(value)
	default:
		return digestCheck(value)
	}
	if err != nil {
		return nil
	}
	out := make([]byte, block.BlockSize())
	block.Encrypt(out, out)
	return out[:3]
}

// digestCheck returns the first three bytes of the SHA-1 hash.
func digestCheck(value []byte) []byte {
	sum := sha1.Sum(value) //nolint:gosec // as above
	return sum[:3]
}

// publicKeyInfo returns the SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) of
// a key's public attributes, nil if it has none.
func (o *Object) publicKeyInfo() []byte {
	params := o.attrs.Bytes(command.AttrECParams)
	if modulus := o.attrs.Bytes(command.AttrModulus); modulus != nil {
		e := bigOf(o.attrs.Bytes(command.AttrPublicExponent))
		public := x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: bigOf(modulus), E: int(e.Int64())})
		return spki(oidRSA, asn1.NullBytes, public)
	}
	var point []byte
	if _, err := asn1.Unmarshal(o.attrs.Bytes(command.AttrECPoint), &point); err != nil {
		return nil
	}
	if o.keyType() == command.KeyEC {
		return spki(oidEC, params, point)
	}
	var curve asn1.ObjectIdentifier // RFC 8410: the curve is the algorithm
	if _, err := asn1.Unmarshal(params, &curve); err != nil {
		return nil
	}
	return spki(curve, nil, point)
}

var (
	oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEC  = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
)

func spki(algorithm asn1.ObjectIdentifier, parameters, key []byte) []byte {
	type identifier struct {
		Algorithm  asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	info := struct {
		Algorithm identifier
		PublicKey asn1.BitString
	}{
		identifier{algorithm, asn1.RawValue{FullBytes: parameters}},
		asn1.BitString{Bytes: key, BitLength: 8 * len(key)},
	}
	der, err := asn1.Marshal(info)
	if err != nil {
		return nil
	}
	return der
}

// derInteger returns the DER encoding of a number.
func derInteger(n *big.Int) []byte {
	der, err := asn1.Marshal(n)
	if err != nil {
		return nil
	}
	return der
}
