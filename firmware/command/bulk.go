package command

import (
	"encoding/binary"
	"reflect"
)

// Messages that carry data to encrypt, to sign or to hash, or chunks of an update,
// are little else than one long byte string. It is not led through the codec, which
// would copy it several times in each direction: what is left of the message when the
// byte string is empty, its shell, is encoded and decoded, and the byte string is put
// into it or taken out of it.

// bulky is a message that may be little else than one byte string. The string is
// a required field of the message, and encoded as an empty one where it is nil.
type bulky interface {
	// bulk returns the key of the byte string and the field that it lies in.
	bulk() (key uint64, data *[]byte)
}

func (m *Echo) bulk() (uint64, *[]byte)                   { return 1, &m.Data }
func (m *SignRequest) bulk() (uint64, *[]byte)            { return 3, &m.Data }
func (m *VerifyRequest) bulk() (uint64, *[]byte)          { return 3, &m.Data }
func (m *CipherRequest) bulk() (uint64, *[]byte)          { return 3, &m.Data }
func (m *CipherResponse) bulk() (uint64, *[]byte)         { return 1, &m.Data }
func (m *DigestRequest) bulk() (uint64, *[]byte)          { return 2, &m.Data }
func (m *RandomResponse) bulk() (uint64, *[]byte)         { return 1, &m.Data }
func (m *OperationUpdateRequest) bulk() (uint64, *[]byte) { return 3, &m.Data }
func (m *OperationResponse) bulk() (uint64, *[]byte)      { return 1, &m.Data }
func (m *UpdateChunkRequest) bulk() (uint64, *[]byte)     { return 2, &m.Data }

// minBulk is the length in bytes from which a byte string goes around the codec.
const minBulk = 512

// empty is an empty byte string.
const empty = 2 << 5

// marshalBulk encodes m in room, if it has a long byte string; ok says whether it
// has.
func marshalBulk(m bulky, room func(n int) []byte) (payload []byte, ok bool, err error) {
	key, field := m.bulk()
	data := *field
	if len(data) < minBulk {
		return nil, false, nil
	}
	shell, err := codec.Marshal(hollow(m))
	if err != nil {
		return nil, true, err
	}
	at, found := valueOf(shell, key)
	if !found || shell[at] != empty {
		return nil, false, nil // not a bulky message, as it was declared
	}
	if size := len(shell) + maxHead + len(data); room != nil {
		payload = room(size)[:0]
	} else {
		payload = make([]byte, 0, size)
	}
	payload = appendHead(append(payload, shell[:at]...), len(data))
	payload = append(payload, data...)
	return append(payload, shell[at+1:]...), true, nil
}

// hollow returns a copy of m without its byte string.
func hollow(m bulky) bulky {
	v := reflect.New(reflect.TypeOf(m).Elem())
	v.Elem().Set(reflect.ValueOf(m).Elem())
	copied := v.Interface().(bulky)
	_, field := copied.bulk()
	*field = nil
	return copied
}

// unmarshalBulk decodes payload into m, whose byte string is then a part of
// payload. It does nothing, and ok is false, if the byte string is short or is
// not where it should be.
func unmarshalBulk(payload []byte, m bulky) (ok bool, err error) {
	key, field := m.bulk()
	at, found := valueOf(payload, key)
	if !found {
		return false, nil
	}
	h, ok := readHead(payload[at:])
	rest := payload[at+h.size:]
	if !ok || h.major != empty>>5 || h.n < minBulk || h.n > uint64(len(rest)) {
		return false, nil
	}
	data := rest[:h.n:h.n]
	shell := make([]byte, 0, len(payload)-len(data))
	shell = append(append(shell, payload[:at]...), empty)
	shell = append(shell, rest[h.n:]...)
	if err := unmarshal(shell, m); err != nil {
		return true, err
	}
	*field = data
	return true, nil
}

// valueOf returns the offset of the value that has a small key in the map that is
// all of payload.
func valueOf(payload []byte, key uint64) (offset int, found bool) {
	pairs, ok := readHead(payload)
	if !ok || pairs.major != 5 {
		return 0, false
	}
	offset = pairs.size
	for range pairs.n {
		k, ok := readHead(payload[offset:])
		if offset += k.size; !ok || k.major != 0 {
			return 0, false
		}
		if k.n == key {
			return offset, offset < len(payload)
		}
		n, ok := itemSize(payload[offset:], maxNesting)
		if offset += n; !ok {
			return 0, false
		}
	}
	return 0, false
}

// itemSize returns how many bytes the data item at the start of p takes, which
// may have depth more levels.
func itemSize(p []byte, depth int) (size int, ok bool) {
	h, ok := readHead(p)
	if !ok || depth == 0 {
		return 0, false
	}
	items := uint64(0)
	switch h.major {
	case 2, 3:
		return h.size + int(min(h.n, uint64(len(p)))), h.n <= uint64(len(p)-h.size)
	case 4:
		items = h.n
	case 5:
		items = 2 * min(h.n, uint64(len(p)))
	}
	size = h.size
	for range items {
		n, ok := itemSize(p[size:], depth-1)
		if !ok {
			return 0, false
		}
		size += n
	}
	return size, true
}

// head is the start of a data item (RFC 8949, section 3).
type head struct {
	major byte
	n     uint64 // argument: a number, a length in bytes, or a count of items
	size  int    // of the head itself, bytes
}

// maxHead is the size of the longest head.
const maxHead = 9

// readHead reads a head whose argument is in its shortest form.
func readHead(p []byte) (h head, ok bool) {
	if len(p) == 0 {
		return head{}, false
	}
	h = head{major: p[0] >> 5, n: uint64(p[0] & 31), size: 1}
	if h.n < 24 {
		return h, true
	}
	more := 1 << (h.n - 24) // bytes of the argument
	if h.n > 27 || len(p) <= more {
		return head{}, false
	}
	var argument [8]byte
	copy(argument[8-more:], p[1:])
	h.n, h.size = binary.BigEndian.Uint64(argument[:]), 1+more
	shortest := h.n >= 24
	if more > 1 {
		shortest = h.n>>(4*more) != 0
	}
	return h, shortest
}

// appendHead appends the head of a byte string of n bytes.
func appendHead(dst []byte, n int) []byte {
	switch {
	case n < 24:
		return append(dst, empty|byte(n))
	case n < 1<<8:
		return append(dst, empty|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, empty|25), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, empty|26), uint32(n))
}
