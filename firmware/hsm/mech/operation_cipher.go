package mech

import (
	"crypto/cipher"

	"usbhsm7/firmware/command"
)

// NewEncrypter begins an encryption. The second result is the nonce if the
// device chose it.
func NewEncrypter(k *Key, m *command.Mechanism, entropy Entropy) (o Operation, iv []byte, err error) {
	if _, err := prepareCipher(k, m, nil); err != nil {
		return nil, nil, err
	}
	if m.Type == command.MechAESGCM {
		return newGCMEncrypter(k, m, entropy)
	}
	o, err = newBlockwise(k, m, false)
	return o, nil, err
}

// NewDecrypter begins a decryption. AES-GCM gives its result at the end, when
// the tag was checked.
func NewDecrypter(k *Key, m *command.Mechanism) (Operation, error) {
	if _, err := prepareCipher(k, m, nil); err != nil {
		return nil, err
	}
	if m.Type == command.MechAESGCM {
		if _, _, err := gcmOf(k, m, m.IV); err != nil {
			return nil, err
		}
		return &collected{finish: func(data []byte) ([]byte, error) { return decryptGCM(k, m, data) }}, nil
	}
	return newBlockwise(k, m, true)
}

func newGCMEncrypter(k *Key, m *command.Mechanism, entropy Entropy) (o Operation, iv []byte, err error) {
	own := *m
	if own.IV == nil {
		if own.IV, err = Random(gcmNonce, entropy.Reader); err != nil {
			return nil, nil, err
		}
		iv = own.IV
	}
	if _, _, err := gcmOf(k, &own, own.IV); err != nil {
		return nil, nil, err
	}
	return &collected{finish: func(data []byte) ([]byte, error) {
		out, _, err := encryptGCM(k, &own, data, entropy)
		return out, err
	}}, iv, nil
}

// collected keeps its data, up to MaxData bytes, until the end.
type collected struct {
	data   []byte
	finish func(data []byte) ([]byte, error)
}

func (c *collected) Update(part []byte) ([]byte, error) {
	if len(part) > MaxData-len(c.data) {
		return nil, badLength("the parts of this operation are too long together", "")
	}
	c.data = append(c.data, part...)
	return nil, nil
}

func (c *collected) Finish([]byte) ([]byte, error) {
	defer clear(c.data)
	return c.finish(c.data)
}

// Keeps implements Operation.
func (c *collected) Keeps() bool { return true }

// Wipe implements Operation.
func (c *collected) Wipe() { clear(c.data) }

// newBlockwise begins CTR, or a mode of whole blocks.
func newBlockwise(k *Key, m *command.Mechanism, decrypt bool) (Operation, error) {
	switch encryptions[m.Type] {
	case encryptionCTR:
		stream, limit, err := newCTR(k, m)
		return &keyed{stream, limit}, err
	case encryptionECB, encryptionBlocks, encryptionPadded:
		mode, err := blocks(k, m, decrypt)
		if err != nil {
			return nil, err
		}
		return &blockwise{mode: mode, kind: m.Type, decrypt: decrypt, padded: encryptions[m.Type] == encryptionPadded}, nil
	}
	return nil, inOnePart(m.Type)
}

// keyed adds a key stream.
type keyed struct {
	stream cipher.Stream
	left   uint64 // bytes of key stream
}

func (o *keyed) Update(part []byte) ([]byte, error) {
	if uint64(len(part)) > o.left {
		return nil, counterExhausted()
	}
	o.left -= uint64(len(part))
	out := make([]byte, len(part))
	o.stream.XORKeyStream(out, part)
	return out, nil
}

func (o *keyed) Finish([]byte) ([]byte, error) { return nil, nil }

// Keeps implements Operation.
func (o *keyed) Keeps() bool { return false }

// Wipe implements Operation.
func (o *keyed) Wipe() {}

// blockwise runs a mode on whole blocks and keeps what is left over. When it
// removes a padding it keeps the last block too.
type blockwise struct {
	mode            cipher.BlockMode
	kind            command.MechanismType
	decrypt, padded bool
	rest            []byte
}

func (o *blockwise) Update(part []byte) ([]byte, error) {
	size := o.mode.BlockSize()
	whole := (len(o.rest) + len(part)) / size * size
	if o.padded && o.decrypt && whole == len(o.rest)+len(part) && whole > 0 {
		whole -= size
	}
	if whole == 0 {
		o.rest = append(o.rest, part...)
		return nil, nil
	}
	out := make([]byte, whole)
	taken := copy(out[copy(out, o.rest):], part)
	o.mode.CryptBlocks(out, out)
	o.rest = append(o.rest[:0], part[taken:]...)
	return out, nil
}

func (o *blockwise) Finish([]byte) ([]byte, error) {
	defer clear(o.rest)
	size := o.mode.BlockSize()
	switch {
	case o.padded && !o.decrypt:
		out := pad(o.rest, size)
		o.mode.CryptBlocks(out, out)
		return out, nil
	case o.padded:
		if len(o.rest) != size {
			return nil, notWholeCiphertext(size)
		}
		out := make([]byte, size)
		o.mode.CryptBlocks(out, o.rest)
		return unpad(out, size)
	case len(o.rest) > 0 && o.decrypt:
		return nil, notWholeCiphertext(size)
	case len(o.rest) > 0:
		return nil, notWhole(o.kind, size)
	}
	return nil, nil
}

// Keeps implements Operation: what is left of a block is less than one.
func (o *blockwise) Keeps() bool { return false }

// Wipe implements Operation.
func (o *blockwise) Wipe() { clear(o.rest) }
