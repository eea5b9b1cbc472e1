package mech

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"fmt"

	"usbhsm7/firmware/command"
)

// pss is a PSS mechanism with its parameters settled.
type pss struct {
	hash, mgf crypto.Hash
	salt      int // bytes
	digest    []byte
}

// plain reports whether Go's package knows this kind: it always uses one hash
// for both purposes, and reads a salt length of 0 as "any".
func (p pss) plain() bool { return p.salt > 0 && p.hash == p.mgf }

func (p pss) options() *rsa.PSSOptions { return &rsa.PSSOptions{SaltLength: p.salt, Hash: p.hash} }

// signPSS follows RFC 8017, section 8.1.1.
func signPSS(k *Key, t task, entropy Entropy) ([]byte, error) {
	private, err := privateAs[*rsa.PrivateKey](k, t.m.Type)
	if err != nil {
		return nil, err
	}
	p, err := settlePSS(t, private.N.BitLen())
	if err != nil {
		return nil, err
	}
	if p.plain() {
		sig, err := rsa.SignPSS(entropy.Reader, private, p.hash, p.digest, p.options())
		if err != nil {
			return nil, failed(err, "the signature could not be made")
		}
		return sig, nil
	}
	salt, err := Random(p.salt, entropy.Reader)
	if err != nil {
		return nil, err
	}
	return rawPrivate(private, p.encode(salt, private.N.BitLen()-1))
}

func verifyPSS(k *Key, t task, sig []byte) error {
	public, err := publicAs[*rsa.PublicKey](k, t.m.Type)
	if err != nil {
		return err
	}
	p, err := settlePSS(t, public.N.BitLen())
	if err != nil {
		return err
	}
	if len(sig) != public.Size() {
		return signatureLength(public.Size())
	}
	if p.plain() {
		return verdict(rsa.VerifyPSS(public, p.hash, p.digest, sig, p.options()) == nil)
	}
	encoded, err := rawPublic(public, sig)
	return verdict(err == nil && p.matches(encoded, public.N.BitLen()-1))
}

// settlePSS settles hashes and salt length of a PSS mechanism for a modulus of
// bits. The combined mechanisms name their hash themselves, the bare one in its
// parameters.
func settlePSS(t task, bits int) (pss, error) {
	p := pss{hash: t.hash, digest: t.input}
	named, err := hashParam(t.m, t.m.Hash)
	switch {
	case t.hash == 0 && err != nil:
		return p, err
	case t.hash == 0:
		if p.hash = named; len(t.input) != named.Size() {
			return p, badLength(fmt.Sprintf("a %s hash has %d bytes", t.m.Hash, named.Size()), "")
		}
	case t.m.Hash != 0 && named != t.hash:
		return p, badParam("the mechanism names one hash and its parameters another", "")
	}
	if p.mgf = p.hash; t.m.MGF != 0 {
		if p.mgf, err = hashParam(t.m, t.m.MGF); err != nil {
			return p, err
		}
	}
	p.salt, err = saltLength(t.m, p.hash, (bits-1+7)/8)
	return p, err
}

// saltLength is what was asked for or the length of the hash; size is that of
// the encoded message.
func saltLength(m *command.Mechanism, hash crypto.Hash, size int) (int, error) {
	if m.SaltLength == nil {
		return hash.Size(), nil
	}
	if longest := size - hash.Size() - 2; *m.SaltLength > uint(longest) {
		return 0, badParam(fmt.Sprintf("the salt of this key has up to %d bytes", longest), "")
	}
	return int(*m.SaltLength), nil
}

// encode is EMSA-PSS-ENCODE (RFC 8017, section 9.1.1) for an encoded message of
// bits.
func (p pss) encode(salt []byte, bits int) []byte {
	em := make([]byte, (bits+7)/8)
	db := em[:len(em)-p.hash.Size()-1]
	h := em[len(db) : len(em)-1]
	copy(h, p.hashed(salt))
	db[len(db)-len(salt)-1] = 1
	copy(db[len(db)-len(salt):], salt)
	maskMGF1(db, p.mgf, h)
	db[0] &= 0xFF >> (8*len(em) - bits)
	em[len(em)-1] = 0xBC
	return em
}

// matches is EMSA-PSS-VERIFY (section 9.1.2) for the result of the raw
// operation, which has the length of the modulus and is overwritten.
func (p pss) matches(encoded []byte, bits int) bool {
	size := (bits + 7) / 8
	surplus := encoded[:len(encoded)-size]
	em := encoded[len(surplus):]
	db := em[:size-p.hash.Size()-1]
	h := em[len(db) : size-1]
	unused := byte(0xFF) << (8 - (8*size - bits))
	if len(bytes.Trim(surplus, "\x00")) != 0 || em[size-1] != 0xBC || db[0]&unused != 0 {
		return false
	}
	maskMGF1(db, p.mgf, h)
	db[0] &^= unused
	zeros, salt := db[:len(db)-p.salt-1], db[len(db)-p.salt:]
	return len(bytes.Trim(zeros, "\x00")) == 0 && db[len(zeros)] == 1 &&
		subtle.ConstantTimeCompare(h, p.hashed(salt)) == 1
}

// hashed returns the hash of eight zeros, digest and salt.
func (p pss) hashed(salt []byte) []byte {
	h := p.hash.New()
	h.Write(make([]byte, 8))
	h.Write(p.digest)
	h.Write(salt)
	return h.Sum(nil)
}

// maskMGF1 adds the mask that MGF1 (RFC 8017, appendix B.2.1) makes of a seed.
func maskMGF1(dst []byte, hash crypto.Hash, seed []byte) {
	for counter := uint32(0); len(dst) > 0; counter++ {
		h := hash.New()
		h.Write(seed)
		h.Write([]byte{byte(counter >> 24), byte(counter >> 16), byte(counter >> 8), byte(counter)})
		n := subtle.XORBytes(dst, dst, h.Sum(nil))
		dst = dst[n:]
	}
}
