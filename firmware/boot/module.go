package boot

import (
	"bytes"
	"cmp"
	"fmt"
)

// Encode returns the module, the payload of a file of kind module, in deterministic
// CBOR. The error carries ErrImage if it makes no sense.
func (m *Module) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	encoded, err := imageEncoding.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode a functional module: %w", err)
	}
	return encoded, nil
}

// DecodeModule reads what Encode wrote. It takes no other encoding of the same
// meaning; the error carries ErrImage.
func DecodeModule(encoded []byte) (*Module, error) {
	m := new(Module)
	if err := imageDecoding.Unmarshal(encoded, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	if again, err := m.Encode(); err != nil || !bytes.Equal(again, encoded) {
		return nil, cmp.Or(err, fmt.Errorf("%w: not encoded as it must be", ErrImage))
	}
	return m, nil
}

func (m *Module) check() error {
	if !isName(m.Name) || len(m.Code) == 0 {
		return fmt.Errorf("%w: a module must have a name and code", ErrImage)
	}
	return nil
}
