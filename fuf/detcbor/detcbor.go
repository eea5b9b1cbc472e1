// Package detcbor reads and writes CBOR in the one form that RFC 8949 calls
// deterministic (section 4.2.1), and no other: a value has one encoding, so that
// what is signed, compared or hashed cannot be written in two ways. Null is no
// value; a nil slice or map is an empty one.
package detcbor

import (
	"bytes"
	"errors"

	"github.com/fxamacker/cbor/v2"
)

// ErrForm says that bytes are CBOR, but not the deterministic encoding of what they
// mean.
var ErrForm = errors.New("not the deterministic encoding of its meaning")

// Codec encodes and decodes within limits. It may be used by several goroutines.
type Codec struct {
	encoding cbor.UserBufferEncMode
	decoding cbor.DecMode
}

// New returns a codec that decodes arrays of up to elements (16 or more) elements,
// maps of as many pairs, and up to nesting (4 or more) levels, so that a few bytes
// cannot ask for much memory.
func New(elements, nesting int) Codec {
	encoding := cbor.CoreDetEncOptions()
	encoding.NilContainers = cbor.NilContainerAsEmpty
	decoding := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxArrayElements:  elements,
		MaxMapPairs:       elements,
		MaxNestedLevels:   nesting,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		IntDec:            cbor.IntDecConvertNone,
	}
	var c Codec
	var err, later error
	c.encoding, err = encoding.UserBufferEncMode()
	c.decoding, later = decoding.DecMode()
	if err := errors.Join(err, later); err != nil {
		panic(err) // options fixed in the program: cannot happen
	}
	return c
}

// Marshal returns v in deterministic CBOR.
func (c Codec) Marshal(v any) ([]byte, error) { return c.encoding.Marshal(v) }

// Unmarshal decodes b into v, which points to a zero value. b must be, byte for
// byte, what Marshal makes of v; otherwise the error is ErrForm or the decoder's.
// Missing, unknown, repeated and unsorted keys, long forms of numbers, indefinite
// lengths, tags and bytes behind the end are refused so.
func (c Codec) Unmarshal(b []byte, v any) error {
	if err := c.decoding.Unmarshal(b, v); err != nil {
		return err
	}
	// Not Marshal, whose memory comes from a pool of the encoder and goes back there: v
	// may hold a secret.
	room := make([]byte, len(b))
	defer clear(room)
	again := bytes.NewBuffer(room[:0])
	if err := c.encoding.MarshalToBuffer(v, again); err != nil || !bytes.Equal(again.Bytes(), b) {
		return ErrForm
	}
	return nil
}
