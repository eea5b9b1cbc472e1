package boot

// Encode returns the module, the payload of a file of kind module, in deterministic
// CBOR. The error carries ErrImage if it makes no sense.
func (m *Module) Encode() ([]byte, error) { return encode(m) }

// DecodeModule reads what Encode wrote. It takes no other encoding of the same
// meaning; the error carries ErrImage.
func DecodeModule(encoded []byte) (*Module, error) { return decode[Module](encoded) }

func (m *Module) rules() []rule { return []rule{{m.isWhole(), "a module must have a name and code"}} }

func (m *Module) isWhole() bool { return isName(m.Name) && len(m.Code) > 0 }
