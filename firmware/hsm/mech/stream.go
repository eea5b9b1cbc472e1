package mech

import (
	"crypto/cipher"
	"hash"

	"usbhsm7/firmware/command"
)

// Operation is an operation that takes its data in several parts. One caller
// at a time uses it. After an error it is over.
type Operation interface {
	// Update takes the next part, which it does not keep, and returns what the
	// result grew by: nothing for signatures, digests and AES-GCM.
	Update(part []byte) ([]byte, error)

	// Finish ends the operation and returns the rest of the result: the signature,
	// the digest, the last blocks. A verification gets the signature to check and
	// returns nothing; everything else gets nil.
	Finish(signature []byte) ([]byte, error)

	// Keeps reports whether the operation keeps its data until the end, up to
	// MaxData bytes.
	Keeps() bool

	// Wipe forgets what the operation keeps.
	Wipe()
}

// NewSigner begins a signature or a MAC. Errors carry StatusMechanismInvalid
// also for a mechanism that takes its data in one part: those that get a hash
// from the host, EDDSA and ML_DSA.
func NewSigner(k *Key, m *command.Mechanism, entropy Entropy) (Operation, error) {
	h, s, err := hashing(k, m, "signing")
	if err != nil {
		return nil, err
	}
	return &hashed{state: h, finish: func(sum, _ []byte) ([]byte, error) {
		if s == nil {
			return sum, nil
		}
		return s.sign(k, task{m, s.hash, sum}, entropy)
	}}, nil
}

// NewVerifier begins the check of a signature or a MAC.
func NewVerifier(k *Key, m *command.Mechanism) (Operation, error) {
	h, s, err := hashing(k, m, "verifying")
	if err != nil {
		return nil, err
	}
	return &hashed{state: h, finish: func(sum, signature []byte) ([]byte, error) {
		if s == nil {
			return nil, checkMAC(sum, signature)
		}
		return nil, s.verify(k, task{m, s.hash, sum}, signature)
	}}, nil
}

// NewDigester begins a digest.
func NewDigester(m *command.Mechanism) (Operation, error) {
	h, err := newDigest(m)
	if err != nil {
		return nil, err
	}
	return &hashed{state: h, finish: func(sum, _ []byte) ([]byte, error) { return sum, nil }}, nil
}

// DigestKey adds the value of a secret key to a digest: StatusKeyIndigestible for
// another kind of key.
func DigestKey(o Operation, k *Key) error {
	if k.secret == nil {
		return command.StatusKeyIndigestible.With("only secret keys can be digested", "")
	}
	_, err := o.Update(k.secret)
	return err
}

// hashing returns the state for the data of a signature mechanism, and the
// signature that follows, nil for a MAC. Key and parameters are checked at once.
func hashing(k *Key, m *command.Mechanism, use string) (hash.Hash, *signature, error) {
	s, ok := signatures[m.Type]
	switch {
	case !ok:
		h, err := newMAC(k, m, use)
		return h, nil, err
	case s.hash == 0:
		return nil, nil, inOnePart(m.Type)
	}
	if err := onlyParams(m, s.takes); err != nil {
		return nil, nil, err
	}
	row, _ := command.LookupMechanism(m.Type)
	if !row.WorksWith(k.Type) {
		return nil, nil, wrongKey(m.Type)
	}
	return s.hash.New(), &s, nil
}

// hashed hashes its data.
type hashed struct {
	state  hash.Hash
	finish func(sum, signature []byte) ([]byte, error)
	length int
}

func (h *hashed) Update(part []byte) ([]byte, error) {
	if g, bounded := h.state.(*gmac); bounded && len(g.data)+len(part) > MaxData {
		return nil, checkLength(make([]byte, MaxData+1))
	}
	h.state.Write(part)
	return nil, nil
}

// Keeps implements Operation: GMAC does.
func (h *hashed) Keeps() bool {
	_, keeps := h.state.(*gmac)
	return keeps
}

// Wipe implements Operation.
func (h *hashed) Wipe() {
	if g, keeps := h.state.(*gmac); keeps {
		clear(g.data)
	}
	h.state.Reset()
}

func (h *hashed) Finish(signature []byte) ([]byte, error) {
	return h.finish(h.state.Sum(nil), signature)
}

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
	data := append(o.rest, part...)
	size := o.mode.BlockSize()
	whole := len(data) / size * size
	if o.padded && o.decrypt && whole == len(data) && whole > 0 {
		whole -= size
	}
	out := make([]byte, whole)
	o.mode.CryptBlocks(out, data[:whole])
	o.rest = append([]byte(nil), data[whole:]...)
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
