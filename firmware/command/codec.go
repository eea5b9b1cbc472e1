package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"usbhsm7/fuf/detcbor"
)

// Limits of a payload, so that a small message cannot ask for much memory.
const (
	maxElements = 4096 // elements of an array, pairs of a map
	maxNesting  = 8
)

var codec = detcbor.New(maxElements, maxNesting)

// Marshal returns v in deterministic CBOR (RFC 8949, section 4.2.1). A nil v
// is the empty payload.
func Marshal(v any) ([]byte, error) { return MarshalIn(v, nil) }

// MarshalIn is Marshal for somebody who keeps memory to be used again: room
// returns n bytes, in which a payload with long data is made. A nil room allocates.
func MarshalIn(v any, room func(n int) []byte) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	if m, ok := v.(bulky); ok {
		if payload, ok, err := marshalBulk(m, room); ok {
			return payload, err
		}
	}
	return codec.Marshal(v)
}

// Unmarshal decodes one payload into v, which points to a zero value; nothing
// in v aliases the payload. The payload must be, byte for byte, what Marshal
// makes of v. So null, missing, unknown, repeated or unsorted keys, defaults
// written out, long forms of numbers, indefinite lengths, tags, trailing bytes
// and values of another type are an error that carries StatusArgumentsBad.
// Templates are checked: see Template.Check for the statuses. With a nil v the
// payload must be empty.
func Unmarshal(payload []byte, v any) error {
	if _, ok := v.(bulky); ok && len(payload) > minBulk {
		payload = bytes.Clone(payload)
	}
	_, err := UnmarshalInPlace(payload, v)
	return err
}

// UnmarshalInPlace is Unmarshal for a payload that lives as long as v: long data
// in v, such as what is to be encrypted, is then a part of payload, and shared is
// true.
func UnmarshalInPlace(payload []byte, v any) (shared bool, err error) {
	if v == nil {
		if len(payload) != 0 {
			return false, StatusArgumentsBad.With("this message takes no payload", "")
		}
		return false, nil
	}
	if m, ok := v.(bulky); ok {
		if ok, err := unmarshalBulk(payload, m); ok {
			return err == nil, err
		}
	}
	return false, unmarshal(payload, v)
}

// unmarshal decodes a payload by the codec alone.
func unmarshal(payload []byte, v any) error {
	switch err := codec.Unmarshal(payload, v); {
	case errors.Is(err, detcbor.ErrForm):
		return StatusArgumentsBad.With("payload is not the deterministic encoding of its meaning",
			"write every required key, sorted, in its shortest form, and leave out optional keys that have their default")
	case err != nil:
		return StatusArgumentsBad.With("malformed payload: "+reason(err), "")
	}
	for _, template := range templates(v) {
		if err := template.Check(); err != nil {
			return err
		}
	}
	return nil
}

// templates returns the templates of a decoded payload. To the decoder their
// values may be anything, so Unmarshal checks them.
func templates(v any) []Template {
	switch v := v.(type) {
	case *GenerateKeyRequest:
		return []Template{v.Template}
	case *GenerateKeyPairRequest:
		return []Template{v.Public, v.Private}
	case *CreateObjectRequest:
		return []Template{v.Template}
	case *CopyObjectRequest:
		return []Template{v.Template}
	case *FindObjectsRequest:
		return []Template{v.Template}
	case *GetAttributesResponse:
		return []Template{v.Attributes}
	case *SetAttributesRequest:
		return []Template{v.Attributes}
	}
	return nil
}

// reason says in terms of CBOR, not of Go, why the decoder refused a payload.
func reason(err error) string {
	var wrongType *cbor.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it is empty or ends early"
	case errors.As(err, &wrongType):
		at := wrongType.StructFieldName[strings.LastIndexByte(wrongType.StructFieldName, '.')+1:]
		if at == "" {
			return fmt.Sprintf("a value of the wrong type (%s)", wrongType.CBORType)
		}
		return fmt.Sprintf("key %s has a value of the wrong type (%s)", at, wrongType.CBORType)
	}
	return strings.TrimPrefix(err.Error(), "cbor: ")
}
