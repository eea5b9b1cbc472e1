package mech

import (
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
}

func (h *hashed) Update(part []byte) ([]byte, error) {
	_, err := h.state.Write(part)
	return nil, err
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
