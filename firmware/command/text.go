package command

// Enumerations are names wherever they are text, such as in the JSON of hsm7. On the
// wire they are numbers.

// MarshalText is String.
func (s HSMState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is String.
func (s PartitionState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is String.
func (m AuthMethod) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// MarshalText is String.
func (h Halt) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// MarshalText is String.
func (c TamperCause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText is String.
func (m AuditMask) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// MarshalText is String.
func (f AuditFault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// MarshalText is String.
func (s UpdateState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is String.
func (o UpdateOutcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// MarshalText returns the name, such as LUNA_RET_OK; of a status without one, Error.
func (s Status) MarshalText() ([]byte, error) {
	if name, ok := s.Name(); ok {
		return []byte(name), nil
	}
	return []byte(s.Error()), nil
}
