package mech

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"usbhsm7/firmware/command"
)

// Initial values (RFC 3394, section 2.2.3.1; RFC 5649, section 3).
var (
	kwIV  = []byte{0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6}
	kwpIV = []byte{0xA6, 0x59, 0x59, 0xA6}
)

// initial returns the IV of a mechanism, which may be given.
func initial(m *command.Mechanism, usual []byte) ([]byte, error) {
	if m.IV == nil {
		return usual, nil
	}
	if len(m.IV) != len(usual) {
		return nil, badParam("the IV of AES key wrap has 8 bytes, with padding 4", "leave it out")
	}
	return m.IV, nil
}

// wrapKW wraps two or more half blocks (RFC 3394, section 2.2.1).
func wrapKW(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	iv, err := initial(m, kwIV)
	if err != nil {
		return nil, err
	}
	if len(data)%8 != 0 || len(data) < 16 {
		return nil, badLength("AES key wrap takes two or more half blocks of 8 bytes", "use AES_KEY_WRAP_KWP")
	}
	out := append(bytes.Clone(iv), data...)
	wrapBlocks(k.block, out)
	return out, nil
}

func unwrapKW(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	iv, err := initial(m, kwIV)
	if err != nil {
		return nil, err
	}
	if len(data)%8 != 0 || len(data) < 24 {
		return nil, badCiphertextLength("a wrapped key has three or more half blocks of 8 bytes")
	}
	out := bytes.Clone(data)
	unwrapBlocks(k.block, out)
	if subtle.ConstantTimeCompare(out[:8], iv) != 1 {
		clear(out)
		return nil, undecipherable("the integrity check failed")
	}
	return out[8:], nil
}

// wrapKWP wraps one byte or more (RFC 5649, section 4.1).
func wrapKWP(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	iv, err := initial(m, kwpIV)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, badLength("there is nothing to wrap", "")
	}
	out := make([]byte, 8+(len(data)+7)/8*8)
	copy(out, iv)
	binary.BigEndian.PutUint32(out[4:], uint32(len(data)))
	copy(out[8:], data)
	if len(out) == 16 {
		k.block.Encrypt(out, out)
	} else {
		wrapBlocks(k.block, out)
	}
	return out, nil
}

func unwrapKWP(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	iv, err := initial(m, kwpIV)
	if err != nil {
		return nil, err
	}
	if len(data)%8 != 0 || len(data) < 16 {
		return nil, badCiphertextLength("a wrapped key has two or more half blocks of 8 bytes")
	}
	out := bytes.Clone(data)
	if len(out) == 16 {
		k.block.Decrypt(out, out)
	} else {
		unwrapBlocks(k.block, out)
	}
	if !wellPadded(out, iv) {
		clear(out)
		return nil, undecipherable("the integrity check failed")
	}
	return out[8 : 8+binary.BigEndian.Uint32(out[4:])], nil
}

// wellPadded checks what KWP put before and behind the data, all of it whatever
// is wrong first.
func wellPadded(out, iv []byte) bool {
	room := len(out) - 8
	length := int(binary.BigEndian.Uint32(out[4:]))
	good := subtle.ConstantTimeCompare(out[:4], iv)
	if length > room || length <= room-8 {
		good, length = 0, room
	}
	var surplus byte
	for _, b := range out[8+length:] {
		surplus |= b
	}
	return good&subtle.ConstantTimeByteEq(surplus, 0) == 1
}

// wrapBlocks is W of SP 800-38F, section 6.1, in place: the first 8 bytes are
// the IV.
func wrapBlocks(block cipher.Block, p []byte) {
	a, rest := make([]byte, 16), p[8:]
	copy(a, p[:8])
	step := uint64(0)
	for range 6 {
		for r := rest; len(r) > 0; r = r[8:] {
			copy(a[8:], r[:8])
			block.Encrypt(a, a)
			copy(r, a[8:])
			step++
			binary.BigEndian.PutUint64(a, binary.BigEndian.Uint64(a)^step)
		}
	}
	copy(p, a[:8])
}

// unwrapBlocks is the inverse of wrapBlocks.
func unwrapBlocks(block cipher.Block, p []byte) {
	a, rest := make([]byte, 16), p[8:]
	copy(a, p[:8])
	step := uint64(len(rest) / 8 * 6)
	for range 6 {
		for i := len(rest) - 8; i >= 0; i -= 8 {
			binary.BigEndian.PutUint64(a, binary.BigEndian.Uint64(a)^step)
			copy(a[8:], rest[i:i+8])
			block.Decrypt(a, a)
			copy(rest[i:], a[8:])
			step--
		}
	}
	copy(p, a[:8])
}
