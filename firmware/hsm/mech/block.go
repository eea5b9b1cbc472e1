package mech

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"usbhsm7/firmware/command"
)

// blocks returns the mode of a mechanism: with an IV CBC, without one ECB.
func blocks(k *Key, m *command.Mechanism, decrypt bool) (cipher.BlockMode, error) {
	size := k.block.BlockSize()
	if m.Type == command.MechAESECB || m.Type == command.MechDES3ECB {
		return ecb{k.block, decrypt}, nil
	}
	if len(m.IV) != size {
		return nil, badParam(fmt.Sprintf("the IV of CBC has %d bytes", size), "")
	}
	if decrypt {
		return cipher.NewCBCDecrypter(k.block, m.IV), nil
	}
	return cipher.NewCBCEncrypter(k.block, m.IV), nil
}

// ecb is the mode of SP 800-38A, section 6.1.
type ecb struct {
	cipher.Block
	decrypt bool
}

func (e ecb) CryptBlocks(dst, src []byte) {
	work := e.Encrypt
	if e.decrypt {
		work = e.Decrypt
	}
	for size := e.BlockSize(); len(src) > 0; src, dst = src[size:], dst[size:] {
		work(dst[:size], src[:size])
	}
}

func encryptBlocks(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	mode, err := blocks(k, m, false)
	if err != nil {
		return nil, err
	}
	if len(data)%mode.BlockSize() != 0 {
		return nil, notWhole(m.Type, mode.BlockSize())
	}
	out := make([]byte, len(data))
	mode.CryptBlocks(out, data)
	return out, nil
}

func decryptBlocks(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	mode, err := blocks(k, m, true)
	if err != nil {
		return nil, err
	}
	if len(data)%mode.BlockSize() != 0 {
		return nil, notWholeCiphertext(mode.BlockSize())
	}
	out := make([]byte, len(data))
	mode.CryptBlocks(out, data)
	return out, nil
}

func encryptPadded(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	mode, err := blocks(k, m, false)
	if err != nil {
		return nil, err
	}
	out := pad(data, mode.BlockSize())
	mode.CryptBlocks(out, out)
	return out, nil
}

func decryptPadded(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	mode, err := blocks(k, m, true)
	if err != nil {
		return nil, err
	}
	if len(data)%mode.BlockSize() != 0 || len(data) == 0 {
		return nil, notWholeCiphertext(mode.BlockSize())
	}
	out := make([]byte, len(data))
	mode.CryptBlocks(out, data)
	return unpad(out, mode.BlockSize())
}

func notWhole(t command.MechanismType, size int) error {
	return badLength(fmt.Sprintf("%s takes whole blocks of %d bytes", t, size), "use CBC_PAD")
}

func notWholeCiphertext(size int) error {
	return badCiphertextLength(fmt.Sprintf("the ciphertext has whole blocks of %d bytes", size))
}

// pad returns a copy with 1 to size bytes behind it, each their number
// (RFC 5652, section 6.3).
func pad(data []byte, size int) []byte {
	n := size - len(data)%size
	padded := make([]byte, len(data)+n)
	for i := copy(padded, data); i < len(padded); i++ {
		padded[i] = byte(n)
	}
	return padded
}

// unpad looks at all bytes of the last block whatever they say.
func unpad(data []byte, size int) ([]byte, error) {
	block := data[len(data)-size:]
	n := int(block[size-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, size)
	for i, b := range block {
		outside := subtle.ConstantTimeLessOrEq(n, size-1-i)
		good &= outside | subtle.ConstantTimeByteEq(b, byte(n))
	}
	if good != 1 {
		clear(data)
		return nil, undecipherable("the padding is wrong")
	}
	return data[:len(data)-n], nil
}

// applyCTR encrypts and decrypts.
func applyCTR(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	stream, limit, err := newCTR(k, m)
	if err != nil {
		return nil, err
	}
	if uint64(len(data)) > limit {
		return nil, counterExhausted()
	}
	out := make([]byte, len(data))
	stream.XORKeyStream(out, data)
	return out, nil
}

// newCTR returns the key stream and how many bytes of it there are before the
// counter, the last CounterBits of the block, would begin again at 0 (PKCS#11
// 3.1, section 6.13.5).
func newCTR(k *Key, m *command.Mechanism) (stream cipher.Stream, limit uint64, err error) {
	size := k.block.BlockSize()
	bits := m.CounterBits
	if bits == 0 {
		bits = 128
	}
	switch {
	case len(m.IV) != size:
		return nil, 0, badParam(fmt.Sprintf("the counter block has %d bytes", size), "")
	case bits > 128:
		return nil, 0, badParam(fmt.Sprintf("a counter of %d bits", bits), "use 1 to 128")
	}
	return cipher.NewCTR(k.block, m.IV), keyStream(m.IV, bits), nil
}

// keyStream returns the bytes of key stream from a counter block on; a counter
// of 48 bits outlasts every operation.
func keyStream(block []byte, bits uint) uint64 {
	const plenty = 1 << 48
	left := uint64(plenty)
	if mask := uint64(1)<<bits - 1; bits < 64 {
		left = mask - binary.BigEndian.Uint64(block[8:])&mask + 1
	} else if low := binary.BigEndian.Uint64(block[8:]); ones(block[:8], bits-64) {
		left = -low // 0 stands for 2^64
		if low == 0 {
			left = plenty
		}
	}
	return min(left, plenty) * 16
}

// ones reports whether the last bits of p, 8 bytes, are all set.
func ones(p []byte, bits uint) bool {
	mask := uint64(1)<<bits - 1
	return binary.BigEndian.Uint64(p)&mask == mask
}

func counterExhausted() error {
	return badLength("the block counter would begin again", "use more counter bits")
}
