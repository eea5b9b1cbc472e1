package main

import (
	"bytes"
	"fmt"
	"maps"

	"usbhsm7/firmware/command"
)

// keyKind is a type and size of key that can be made.
type keyKind struct {
	name       string
	mechanism  command.MechanismType
	attributes command.Template // of the key, or of the public key of a pair
	pair       bool
	hidden     command.Template // of the private key of a pair
}

// with returns the kind for keys that wrap others, or may leave.
func (k keyKind) with(wraps, extractable bool) keyKind {
	attributes, inner := command.Template{}, command.Template{}
	maps.Copy(attributes, k.attributes)
	k.attributes, k.hidden = attributes, inner
	if !k.pair {
		inner = attributes
	}
	if wraps {
		attributes[command.AttrWrap], inner[command.AttrUnwrap] = true, true
	}
	if extractable {
		inner[command.AttrExtractable] = true
	}
	return k
}

var keyKinds = []keyKind{
	rsaKind("rsa-2048", 2048), rsaKind("rsa-3072", 3072), rsaKind("rsa-4096", 4096), rsaKind("rsa-8192", 8192),
	curveKind("ec-p224", command.MechECKeyPairGen, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x21),
	curveKind("ec-p256", command.MechECKeyPairGen, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07),
	curveKind("ec-p384", command.MechECKeyPairGen, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22),
	curveKind("ec-p521", command.MechECKeyPairGen, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23),
	curveKind("ec-secp256k1", command.MechECKeyPairGen, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A),
	curveKind("ed25519", command.MechEdwardsKeyPairGen, 0x06, 0x03, 0x2B, 0x65, 0x70),
	curveKind("x25519", command.MechMontgomeryKeyPairGen, 0x06, 0x03, 0x2B, 0x65, 0x6E),
	latticeKind("ml-kem-768", command.MechMLKEMKeyPairGen, command.MLKEM768),
	latticeKind("ml-kem-1024", command.MechMLKEMKeyPairGen, command.MLKEM1024),
	latticeKind("ml-dsa-44", command.MechMLDSAKeyPairGen, command.MLDSA44),
	latticeKind("ml-dsa-65", command.MechMLDSAKeyPairGen, command.MLDSA65),
	latticeKind("ml-dsa-87", command.MechMLDSAKeyPairGen, command.MLDSA87),
	secretKind("aes-128", command.MechAESKeyGen, 16),
	secretKind("aes-192", command.MechAESKeyGen, 24),
	secretKind("aes-256", command.MechAESKeyGen, 32),
	{"des3", command.MechDES3KeyGen, nil, false, nil},
	secretKind("hmac-256", command.MechGenericSecretGen, 32),
	secretKind("hmac-384", command.MechGenericSecretGen, 48),
	secretKind("hmac-512", command.MechGenericSecretGen, 64),
}

func rsaKind(name string, bits uint64) keyKind {
	return keyKind{name, command.MechRSAKeyPairGen, command.Template{command.AttrModulusBits: bits}, true, nil}
}

// curveKind is a key on the curve with an object identifier in DER (RFC 5480,
// section 2.1.1.1; RFC 8410, section 3).
func curveKind(name string, m command.MechanismType, oid ...byte) keyKind {
	return keyKind{name, m, command.Template{command.AttrECParams: oid}, true, nil}
}

func latticeKind(name string, m command.MechanismType, set uint64) keyKind {
	return keyKind{name, m, command.Template{command.AttrParameterSet: set}, true, nil}
}

func secretKind(name string, m command.MechanismType, length uint64) keyKind {
	return keyKind{name, m, command.Template{command.AttrValueLen: length}, false, nil}
}

// typeName returns the name of the kind of a key, or says its type and size.
func typeName(t command.Template) string {
	keyType, ok := t.Uint(command.AttrKeyType)
	if !ok {
		return "" // it is no key
	}
	length, _ := t.Uint(command.AttrValueLen)
	switch keyType {
	case command.KeyRSA:
		return fmt.Sprintf("rsa-%d", 8*len(t.Bytes(command.AttrModulus)))
	case command.KeyAES:
		return fmt.Sprintf("aes-%d", 8*length)
	case command.KeyDES3:
		return "des3"
	case command.KeyGenericSecret:
		return fmt.Sprintf("hmac-%d", 8*length)
	}
	for _, kind := range keyKinds {
		if row, _ := command.LookupMechanism(kind.mechanism); kind.pair && row.WorksWith(keyType) && kind.describes(t) {
			return kind.name
		}
	}
	return fmt.Sprintf("type %#x", keyType)
}

// describes reports whether a key has the curve or the parameter set of a kind.
func (k keyKind) describes(t command.Template) bool {
	set, has := k.attributes.Uint(command.AttrParameterSet)
	own, _ := t.Uint(command.AttrParameterSet)
	return has && set == own || !has && bytes.Equal(k.attributes.Bytes(command.AttrECParams), t.Bytes(command.AttrECParams))
}
