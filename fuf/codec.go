package fuf

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"usbhsm7/fuf/detcbor"
)

var codec = detcbor.New(maxList, 8)

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
	b, err := codec.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode an update file: %w", err)
	}
	return b, nil
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
	if err := codec.Unmarshal(b, &m); err != nil {
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
