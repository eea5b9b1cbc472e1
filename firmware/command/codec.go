package command

import (
	"github.com/fxamacker/cbor/v2"
)

// Limits of a payload, so that a small message cannot ask for much memory.
const (
	maxElements = 4096 // elements of an array, pairs of a map
	maxNesting  = 8
)

var encoding = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
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
		MaxArrayElements:  maxElements,
		MaxMapPairs:       maxElements,
		MaxNestedLevels:   maxNesting,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		IntDec:            cbor.IntDecConvertNone,
	}.DecMode()
	if err != nil {
		panic(err) // fixed options: cannot happen
	}
	return mode
}()

// Marshal returns v in deterministic CBOR (RFC 8949, section 4.2.1). A nil v
// is the empty payload.
func Marshal(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	return encoding.Marshal(v)
}

// Unmarshal decodes one payload into v. Unknown or repeated keys, indefinite
// lengths, tags, trailing bytes and values of another type are an error that
// carries StatusArgumentsBad. With a nil v the payload must be empty.
func Unmarshal(payload []byte, v any) error {
	if v == nil {
		if len(payload) != 0 {
			return StatusArgumentsBad.With("this message takes no payload", "")
		}
		return nil
	}
	if err := decoding.Unmarshal(payload, v); err != nil {
		return StatusArgumentsBad.With("malformed payload: "+err.Error(), "")
	}
	return nil
}
