package fuf

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

var encoding = func() cbor.EncMode {
	options := cbor.CoreDetEncOptions()
	options.NilContainers = cbor.NilContainerAsEmpty
	mode, err := options.EncMode()
	if err != nil {
		panic(err) // fixed options: cannot happen
	}
	return mode
}()

var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxArrayElements:  maxList,
		MaxMapPairs:       maxList,
		MaxNestedLevels:   8,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		IntDec:            cbor.IntDecConvertNone,
	}.DecMode()
	if err != nil {
		panic(err) // fixed options: cannot happen
	}
	return mode
}()

// lenient reads the one number that stays where it is in every schema.
var lenient = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: maxSigned, MaxMapPairs: maxSigned, MaxNestedLevels: 16}.DecMode()
	if err != nil {
		panic(err) // fixed options: cannot happen
	}
	return mode
}()

// encode returns v in deterministic CBOR (RFC 8949, section 4.2.1).
func encode(v any) ([]byte, error) {
	b, err := encoding.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode an update file: %w", err)
	}
	return b, nil
}

// decode reads b into v, which points to a zero value. b must be, byte for byte,
// what encode makes of v.
func decode(b []byte, v any) error {
	if err := decoding.Unmarshal(b, v); err != nil {
		return err
	}
	if again, err := encoding.Marshal(v); err != nil || !bytes.Equal(again, b) {
		return errors.New("not the deterministic encoding of its meaning")
	}
	return nil
}

// parseManifest reads a manifest and checks every value in it.
func parseManifest(b []byte) (*Manifest, error) {
	// A later schema may look different, so its number is looked for first.
	var later struct {
		Schema uint `cbor:"1,keyasint"`
	}
	if err := lenient.Unmarshal(b, &later); err == nil && later.Schema > Schema {
		return nil, fmt.Errorf("%w: schema %d, this one knows %d", ErrSchema, later.Schema, Schema)
	}
	var m Manifest
	if err := decode(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if m.Schema != Schema {
		return nil, fmt.Errorf("%w: schema %d", ErrManifest, m.Schema)
	}
	if len(m.Sealing.Enc) != encSize {
		return nil, fmt.Errorf("%w: an encapsulated secret of %d bytes", ErrManifest, len(m.Sealing.Enc))
	}
	if err := m.Release.Check(); err != nil {
		return nil, err
	}
	return &m, nil
}
