package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"usbhsm7/ikey"
)

// record is what a key file says. The zero value is that of a blank key.
type record struct {
	kind  uint8
	pin   bool
	tries uint8 // left at the PIN; 0 without one
	cost  uint8 // of trying a PIN: the binary logarithm of scrypt's N; 0 without one
	salt  [saltSize]byte
	data  []byte // in plain, or sealed by the PIN
}

// Layout of a key file: magic, version, kind, flags, tries, cost, salt, length of
// the data (u16, little-endian), data, SHA-256 of all before it.
const (
	magic      = "iKey"
	version    = 1
	saltSize   = 16
	headerSize = len(magic) + 5 + saltSize + 2
	flagPIN    = 1

	// MaxData is how many bytes a key stores.
	MaxData = 255 - sealSize

	minCost, maxCost = 4, 20 // 2^20 takes 1 GiB: no file asks for more
)

func (r *record) encode() []byte {
	var flags uint8
	if r.pin {
		flags = flagPIN
	}
	b := make([]byte, 0, headerSize+len(r.data)+sha256.Size)
	b = append(b, magic...)
	b = append(b, version, r.kind, flags, r.tries, r.cost)
	b = append(b, r.salt[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.data)))
	b = append(b, r.data...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decode is the reverse of encode. The data lies within b. The error wraps
// ikey.ErrDamaged: a file that encode did not write is none.
func decode(b []byte) (record, error) {
	if len(b) < headerSize+sha256.Size || len(b) > headerSize+MaxData+sealSize+sha256.Size {
		return record{}, fmt.Errorf("%w: its file has %d bytes", ikey.ErrDamaged, len(b))
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if sha256.Sum256(body) != [sha256.Size]byte(sum) {
		return record{}, fmt.Errorf("%w: the checksum of its file is wrong", ikey.ErrDamaged)
	}
	header, data := body[:headerSize], body[headerSize:]
	flags, fields := header[len(magic)+2], header[len(magic)+1:]
	r := record{kind: fields[0], pin: flags == flagPIN, tries: fields[2], cost: fields[3], data: data}
	copy(r.salt[:], fields[4:])
	size := binary.LittleEndian.Uint16(header[headerSize-2:])
	if !bytes.HasPrefix(header, []byte(magic)) || header[len(magic)] != version ||
		flags > flagPIN || int(size) != len(data) || !r.plausible() {
		return record{}, fmt.Errorf("%w: its file is of another make or version", ikey.ErrDamaged)
	}
	return r, nil
}

// plausible reports whether the fields go together.
func (r *record) plausible() bool {
	blank := r.kind == 0
	switch {
	case blank:
		return !r.pin && r.tries == 0 && r.cost == 0 && r.salt == [saltSize]byte{} && len(r.data) == 0
	case r.pin:
		return r.tries <= ikey.MaxTries && r.cost >= minCost && r.cost <= maxCost && len(r.data) >= sealSize
	}
	return r.tries == 0 && r.cost == 0 && r.salt == [saltSize]byte{} && len(r.data) <= MaxData
}
