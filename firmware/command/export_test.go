package command

// Limits of a payload, for tests.
const (
	MaxElements = maxElements
	MaxNesting  = maxNesting
)

// Bulky is a message whose data goes around the codec.
type Bulky = bulky

// MinBulk is the length from which it does.
const MinBulk = minBulk

// BulkOf returns the key and the field of such data.
func BulkOf(m any) (key uint64, data *[]byte) { return m.(bulky).bulk() }

// MarshalByCodec and UnmarshalByCodec do not go around the codec.
func MarshalByCodec(v any) ([]byte, error) { return codec.Marshal(v) }

// UnmarshalByCodec is the other direction.
func UnmarshalByCodec(payload []byte, v any) error { return unmarshal(payload, v) }
