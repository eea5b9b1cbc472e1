package boot

import (
	"bytes"
	"encoding/json"
	"fmt"

	"usbhsm7/fuf/detcbor"
)

// payload is what an update file carries: an Image, a Licence or a Module.
type payload interface{ check() error }

var codec = detcbor.New(maxList, 4)

// encode returns a payload in deterministic CBOR (RFC 8949, section 4.2.1). The
// error carries ErrImage if it makes no sense.
func encode(p payload) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	encoded, err := codec.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode a payload: %w", err)
	}
	return encoded, nil
}

// decode reads into p, which points to a zero value, what encode wrote. It takes no
// other encoding of the same meaning; the error carries ErrImage.
func decode(encoded []byte, p payload) error {
	if err := codec.Unmarshal(encoded, p); err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	return p.check()
}

// parse reads into p, which points to a zero value, what a person has written, in
// JSON. The error carries ErrImage.
func parse(text []byte, p payload) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	if decoder.More() {
		return fmt.Errorf("%w: something after the end", ErrImage)
	}
	return p.check()
}
