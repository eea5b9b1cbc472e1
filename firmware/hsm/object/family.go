package object

import (
	"slices"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
)

// families is a set of key families: keys that have the same attributes.
type families uint8

const (
	ofRSA     families = 1 << iota
	ofCurve            // EC, Edwards and Montgomery
	ofLattice          // ML-KEM and ML-DSA
	ofDES3
	ofSecret // of a length to choose: AES and generic secrets
	ofAny    = ofRSA | ofCurve | ofLattice | ofDES3 | ofSecret
)

// kind says what is special about the keys of a type.
type kind struct {
	family families
	// size tells the size of a new key, and is required to generate one: of a
	// pair in the template of the public key. 0 means that all have one size.
	size command.AttributeType
	// public, private and secret are what such keys may be used for unless the
	// template says otherwise. Where there is one use only, it is the first.
	public, private, secret []command.AttributeType
}

var (
	verifies = []command.AttributeType{command.AttrVerify}
	signs    = []command.AttributeType{command.AttrSign}
	ciphers  = []command.AttributeType{command.AttrEncrypt, command.AttrDecrypt}
	macs     = []command.AttributeType{command.AttrSign, command.AttrVerify}
)

// kinds has the key types that objects may have.
var kinds = map[uint64]kind{
	command.KeyRSA: {
		ofRSA, command.AttrModulusBits,
		[]command.AttributeType{command.AttrVerify, command.AttrEncrypt},
		[]command.AttributeType{command.AttrSign, command.AttrDecrypt},
		nil,
	},
	command.KeyEC:            {ofCurve, command.AttrECParams, verifies, signs, nil},
	command.KeyECEdwards:     {ofCurve, command.AttrECParams, verifies, signs, nil},
	command.KeyECMontgomery:  {ofCurve, command.AttrECParams, nil, nil, nil},
	command.KeyMLDSA:         {ofLattice, command.AttrParameterSet, verifies, signs, nil},
	command.KeyMLKEM:         {ofLattice, command.AttrParameterSet, []command.AttributeType{command.AttrEncapsulate}, []command.AttributeType{command.AttrDecapsulate}, nil},
	command.KeyDES3:          {ofDES3, 0, nil, nil, ciphers},
	command.KeyAES:           {ofSecret, command.AttrValueLen, nil, nil, ciphers},
	command.KeyGenericSecret: {ofSecret, command.AttrValueLen, nil, nil, macs},
}

func familyOf(keyType uint64) families { return kinds[keyType].family }

// fits reports whether there are keys of the type and class.
func fits(class, keyType uint64) bool {
	_, ok := kinds[keyType]
	return ok && onKey.has(class) && (class == command.ClassSecretKey) == mech.Secret(keyType)
}

// uses returns what keys of a class may be used for by default.
func (k kind) uses(class uint64) []command.AttributeType {
	switch class {
	case command.ClassPublicKey:
		return k.public
	case command.ClassPrivateKey:
		return k.private
	}
	return k.secret
}

// purposes are the kinds of use that partition policy 10 tells apart.
var purposes = [][]command.AttributeType{
	{command.AttrEncrypt, command.AttrDecrypt},
	{command.AttrSign, command.AttrVerify},
	{command.AttrWrap, command.AttrUnwrap},
	{command.AttrDerive},
	{command.AttrEncapsulate, command.AttrDecapsulate},
}

// IsUse reports whether an attribute says what a key may be used for.
func IsUse(typ command.AttributeType) bool { return purposeOf(typ) >= 0 }

// purposeOf returns the place in purposes of an attribute, -1 if it has none.
func purposeOf(typ command.AttributeType) int {
	return slices.IndexFunc(purposes, func(group []command.AttributeType) bool { return slices.Contains(group, typ) })
}

// IsDate reports whether an attribute is a start-date or an end-date.
func IsDate(typ command.AttributeType) bool {
	return typ == command.AttrStartDate || typ == command.AttrEndDate
}
