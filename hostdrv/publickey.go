package hostdrv

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/mldsa"

	"usbhsm7/firmware/command"
)

// publicParts lists the attributes that hold a public key of each type.
var publicParts = map[uint64][]command.AttributeType{
	command.KeyRSA:          {command.AttrModulus, command.AttrPublicExponent},
	command.KeyEC:           {command.AttrECParams, command.AttrECPoint},
	command.KeyECEdwards:    {command.AttrECPoint},
	command.KeyECMontgomery: {command.AttrECPoint},
	command.KeyMLDSA:        {command.AttrParameterSet, command.AttrValue},
}

// PublicKey returns the public key that belongs to the key with the handle
// private: *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, *ecdh.PublicKey
// (X25519) or *mldsa.PublicKey of filippo.io/mldsa. It is read from the private
// key itself or from the public key with the same id, or the same label if the
// private key has no id. Another kind of key is
// command.StatusKeyTypeInconsistent; so is the curve secp256k1, for which Go has
// no type.
func (s *Session) PublicKey(ctx context.Context, private command.Handle) (crypto.PublicKey, error) {
	own, err := s.Attributes(ctx, private)
	if err != nil {
		return nil, err
	}
	keyType, _ := own.Uint(command.AttrKeyType)
	parts, ok := publicParts[keyType]
	if !ok {
		return nil, command.StatusKeyTypeInconsistent.With("the key is not one of a pair that the driver knows", "choose the private key of a pair")
	}
	for _, part := range parts {
		if own[part] == nil {
			own, err = s.partner(ctx, own, parts)
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return publicKeyOf(keyType, own)
}

func publicKeyOf(keyType uint64, t command.Template) (crypto.PublicKey, error) {
	switch keyType {
	case command.KeyRSA:
		return rsaKey(t)
	case command.KeyEC:
		return ecKey(t)
	case command.KeyMLDSA:
		return mldsaKey(t)
	}
	var point []byte
	if err := unmarshalDER(t.Bytes(command.AttrECPoint), &point); err != nil || len(point) != 32 {
		return nil, fmt.Errorf("%w: a point of %d bytes: %v", ErrProtocol, len(point), err)
	}
	if keyType == command.KeyECEdwards {
		return ed25519.PublicKey(point), nil
	}
	return ecdh.X25519().NewPublicKey(point)
}

// mldsaKey builds a key from its parameter set and its encoding (FIPS 204).
func mldsaKey(t command.Template) (*mldsa.PublicKey, error) {
	sets := map[uint64]mldsa.Parameters{
		command.MLDSA44: mldsa.MLDSA44(), command.MLDSA65: mldsa.MLDSA65(), command.MLDSA87: mldsa.MLDSA87(),
	}
	number, _ := t.Uint(command.AttrParameterSet)
	set, ok := sets[number]
	if !ok {
		return nil, fmt.Errorf("%w: parameter set %d of ML-DSA", ErrProtocol, number)
	}
	key, err := mldsa.NewPublicKey(set, t.Bytes(command.AttrValue))
	if err != nil {
		return nil, fmt.Errorf("%w: ML-DSA key: %v", ErrProtocol, err)
	}
	return key, nil
}

// partner reads the parts of the public key with the same id as private, or
// with the same label.
func (s *Session) partner(ctx context.Context, private command.Template, parts []command.AttributeType) (command.Template, error) {
	const hint = "give both keys of a pair the same id"
	keyType, _ := private.Uint(command.AttrKeyType)
	query := command.Template{command.AttrClass: command.ClassPublicKey, command.AttrKeyType: keyType}
	if id := private.Bytes(command.AttrID); len(id) != 0 {
		query[command.AttrID] = id
	} else if label := private.Text(command.AttrLabel); label != "" {
		query[command.AttrLabel] = label
	} else {
		return nil, command.StatusAttributeNotFound.With("the private key has neither id nor label by which to find its public key", hint)
	}
	found, err := s.Find(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, command.StatusAttributeNotFound.With(
			fmt.Sprintf("%d public keys have the id or the label of the private key", len(found)), hint)
	}
	return s.Attributes(ctx, found[0], parts...)
}

// rsaKey builds a key from modulus and exponent, big-endian.
func rsaKey(t command.Template) (*rsa.PublicKey, error) {
	n := new(big.Int).SetBytes(t.Bytes(command.AttrModulus))
	e := new(big.Int).SetBytes(t.Bytes(command.AttrPublicExponent))
	if n.BitLen() < 1024 || e.BitLen() > 31 || e.Int64() < 3 {
		return nil, fmt.Errorf("%w: an RSA modulus of %d bits with an exponent of %d bits", ErrProtocol, n.BitLen(), e.BitLen())
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// curves are the curves of the device by the object identifier in
// AttrECParams (RFC 5480, section 2.1.1.1).
var curves = []struct {
	oid   asn1.ObjectIdentifier
	curve elliptic.Curve
}{
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, elliptic.P256()},
	{asn1.ObjectIdentifier{1, 3, 132, 0, 33}, elliptic.P224()},
	{asn1.ObjectIdentifier{1, 3, 132, 0, 34}, elliptic.P384()},
	{asn1.ObjectIdentifier{1, 3, 132, 0, 35}, elliptic.P521()},
}

// ecKey builds a key from the DER parameters and the point, which is a DER
// OCTET STRING around the uncompressed form (PKCS#11 3.1, section 6.3.3).
func ecKey(t command.Template) (*ecdsa.PublicKey, error) {
	var oid asn1.ObjectIdentifier
	if err := unmarshalDER(t.Bytes(command.AttrECParams), &oid); err != nil {
		return nil, fmt.Errorf("%w: EC parameters: %v", ErrProtocol, err)
	}
	var point []byte
	if err := unmarshalDER(t.Bytes(command.AttrECPoint), &point); err != nil {
		return nil, fmt.Errorf("%w: EC point: %v", ErrProtocol, err)
	}
	for _, known := range curves {
		if !known.oid.Equal(oid) {
			continue
		}
		key, err := ecdsa.ParseUncompressedPublicKey(known.curve, point)
		if err != nil {
			return nil, fmt.Errorf("%w: EC point: %v", ErrProtocol, err)
		}
		return key, nil
	}
	return nil, command.StatusKeyTypeInconsistent.Withf("curve %s is not known to the driver", oid)
}

var errTrailing = errors.New("bytes after the end of the value")

// unmarshalDER is asn1.Unmarshal for a value that fills der.
func unmarshalDER(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) != 0 {
		err = errTrailing
	}
	return err
}
