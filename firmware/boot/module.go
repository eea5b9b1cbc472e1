package boot

import "fmt"

// Encode returns the module, the payload of a file of kind module, in deterministic
// CBOR. The error carries ErrImage if it makes no sense.
func (m *Module) Encode() ([]byte, error) { return encode(m) }

// DecodeModule reads what Encode wrote. It takes no other encoding of the same
// meaning; the error carries ErrImage.
func DecodeModule(encoded []byte) (*Module, error) {
	m := new(Module)
	if err := decode(encoded, m); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Module) check() error {
	if !isName(m.Name) || len(m.Code) == 0 {
		return fmt.Errorf("%w: a module must have a name and code", ErrImage)
	}
	return nil
}
