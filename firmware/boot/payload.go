package boot

import (
	"bytes"
	"encoding/json"
	"fmt"

	"usbhsm7/fuf/detcbor"
)

// payload is what an update file carries: an Image, a Licence or a Module.
type payload interface{ rules() []rule }

// pointer is a pointer to a payload of type T.
type pointer[T any] interface {
	*T
	payload
}

var codec = detcbor.New(maxList, 4)

// encode returns a payload in deterministic CBOR (RFC 8949, section 4.2.1). The
// error carries ErrImage if it makes no sense.
func encode(p payload) ([]byte, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	encoded, err := codec.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode a payload: %w", err)
	}
	return encoded, nil
}

// decode reads what encode wrote. It takes no other encoding of the same meaning; the
// error carries ErrImage.
func decode[T any, P pointer[T]](encoded []byte) (P, error) {
	p := P(new(T))
	if err := codec.Unmarshal(encoded, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	if err := check(p); err != nil {
		return nil, err
	}
	return p, nil
}

// parse reads what a person has written, in JSON. The error carries ErrImage.
func parse[T any, P pointer[T]](text []byte) (P, error) {
	p := P(new(T))
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	if decoder.More() {
		return nil, fmt.Errorf("%w: something after the end", ErrImage)
	}
	if err := check(p); err != nil {
		return nil, err
	}
	return p, nil
}
