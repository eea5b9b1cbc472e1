package mech

import (
	"crypto"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/subtle"
	"hash"

	"usbhsm7/firmware/command"
)

// hmacs are the hash functions of the HMAC mechanisms.
var hmacs = map[command.MechanismType]crypto.Hash{
	command.MechSHA1HMAC:    crypto.SHA1,
	command.MechSHA224HMAC:  crypto.SHA224,
	command.MechSHA256HMAC:  crypto.SHA256,
	command.MechSHA384HMAC:  crypto.SHA384,
	command.MechSHA512HMAC:  crypto.SHA512,
	command.MechSHA3224HMAC: crypto.SHA3_224,
	command.MechSHA3256HMAC: crypto.SHA3_256,
	command.MechSHA3384HMAC: crypto.SHA3_384,
	command.MechSHA3512HMAC: crypto.SHA3_512,
}

// newMAC returns the state of a MAC mechanism.
func newMAC(k *Key, m *command.Mechanism, use string) (hash.Hash, error) {
	switch m.Type {
	case command.MechAESCMAC, command.MechDES3CMAC:
		return newCMACOf(k, m)
	case command.MechAESGMAC, command.MechLunaAESGMAC:
		return newGMAC(k, m)
	}
	h, ok := hmacs[m.Type]
	switch {
	case !ok:
		return nil, notFor(m.Type, use)
	case k.Type != command.KeyGenericSecret:
		return nil, wrongKey(m.Type)
	}
	return hmac.New(h.New, k.secret), NoParameters(m)
}

func signMAC(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	h, err := newMAC(k, m, "signing")
	if err != nil {
		return nil, err
	}
	if err := checkLength(data); err != nil {
		return nil, err
	}
	h.Write(data)
	return h.Sum(nil), nil
}

func verifyMAC(k *Key, m *command.Mechanism, data, sig []byte) error {
	want, err := signMAC(k, m, data)
	if err != nil {
		return err
	}
	return checkMAC(want, sig)
}

func checkMAC(want, sig []byte) error {
	if len(sig) != len(want) {
		return signatureLength(len(want))
	}
	return verdict(subtle.ConstantTimeCompare(sig, want) == 1)
}

func newCMACOf(k *Key, m *command.Mechanism) (hash.Hash, error) {
	if blockKeys[m.Type] != k.Type {
		return nil, wrongKey(m.Type)
	}
	return newCMAC(k.block), NoParameters(m)
}

// cmac is the MAC of SP 800-38B over a block cipher, as a hash.Hash.
type cmac struct {
	block   cipher.Block
	k1, k2  []byte
	state   []byte // after the blocks before the last
	last    []byte // 1 to a block of bytes, 0 at the beginning
	scratch []byte
}

func newCMAC(block cipher.Block) *cmac {
	size := block.BlockSize()
	c := &cmac{block: block, k1: make([]byte, size), state: make([]byte, size), last: make([]byte, 0, size), scratch: make([]byte, size)}
	block.Encrypt(c.k1, c.k1)
	c.k1 = double(c.k1)
	c.k2 = double(c.k1)
	return c
}

// double multiplies by x in the field of the block size (SP 800-38B, section
// 6.1).
func double(p []byte) []byte {
	polynomial := map[int]byte{8: 0x1B, 16: 0x87}[len(p)]
	out := make([]byte, len(p))
	carry := byte(0)
	for i := len(p) - 1; i >= 0; i-- {
		out[i] = p[i]<<1 | carry
		carry = p[i] >> 7
	}
	out[len(out)-1] ^= polynomial & -carry
	return out
}

func (c *cmac) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(c.last) == cap(c.last) {
			subtle.XORBytes(c.state, c.state, c.last)
			c.block.Encrypt(c.state, c.state)
			c.last = c.last[:0]
		}
		part := min(len(p), cap(c.last)-len(c.last))
		c.last = append(c.last, p[:part]...)
		p = p[part:]
	}
	return n, nil
}

// Sum appends the MAC and leaves the state as it is.
func (c *cmac) Sum(dst []byte) []byte {
	mask := c.k1
	clear(c.scratch)
	copy(c.scratch, c.last)
	if len(c.last) < cap(c.last) {
		c.scratch[len(c.last)] = 0x80
		mask = c.k2
	}
	subtle.XORBytes(c.scratch, c.scratch, mask)
	subtle.XORBytes(c.scratch, c.scratch, c.state)
	c.block.Encrypt(c.scratch, c.scratch)
	return append(dst, c.scratch...)
}

func (c *cmac) Reset() {
	clear(c.state)
	c.last = c.last[:0]
}

func (c *cmac) Size() int      { return c.block.BlockSize() }
func (c *cmac) BlockSize() int { return c.block.BlockSize() }

// gmac is GCM over nothing but additional data (SP 800-38D, section 3). The
// data is kept until the end, so it is bounded by MaxData.
type gmac struct {
	aead  cipher.AEAD
	nonce []byte
	tag   int
	data  []byte
}

func newGMAC(k *Key, m *command.Mechanism) (hash.Hash, error) {
	if k.gcm == nil {
		return nil, wrongKey(m.Type)
	}
	if err := onlyParams(m, paramIV|paramTagBits); err != nil {
		return nil, err
	}
	aead, tag, err := gcmOf(k, m, m.IV)
	if err != nil {
		return nil, err
	}
	return &gmac{aead: aead, nonce: m.IV, tag: tag}, nil
}

// Write refuses what would be too much: StatusDataLenRange.
func (g *gmac) Write(p []byte) (int, error) {
	if len(p) > MaxData-len(g.data) {
		return 0, badLength("the parts of this operation are too long together", "")
	}
	g.data = append(g.data, p...)
	return len(p), nil
}

func (g *gmac) Sum(dst []byte) []byte {
	return append(dst, g.aead.Seal(nil, g.nonce, nil, g.data)[:g.tag]...)
}

func (g *gmac) Reset()         { g.data = nil }
func (g *gmac) Size() int      { return g.tag }
func (g *gmac) BlockSize() int { return 16 }
