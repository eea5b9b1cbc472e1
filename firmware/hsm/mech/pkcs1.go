package mech

import (
	"crypto"
	"crypto/rsa"
	"fmt"
)

// signPKCS1 follows RFC 8017, section 8.2.1; without a hash, the input is the
// DigestInfo.
func signPKCS1(k *Key, t task, _ Entropy) ([]byte, error) {
	private, err := privateAs[*rsa.PrivateKey](k, t.m.Type)
	if err != nil {
		return nil, err
	}
	if err := fitsPKCS1(t.hash, t.input, private.Size()); err != nil {
		return nil, err
	}
	sig, err := rsa.SignPKCS1v15(nil, private, t.hash, t.input)
	if err != nil {
		return nil, failed(err, "the signature could not be made")
	}
	return sig, nil
}

func verifyPKCS1(k *Key, t task, sig []byte) error {
	public, err := publicAs[*rsa.PublicKey](k, t.m.Type)
	if err != nil {
		return err
	}
	size := public.Size()
	if err := fitsPKCS1(t.hash, t.input, size); err != nil {
		return err
	}
	if len(sig) != size {
		return signatureLength(size)
	}
	return verdict(rsa.VerifyPKCS1v15(public, t.hash, t.input, sig) == nil)
}

// fitsPKCS1 leaves room for the 11 bytes of padding.
func fitsPKCS1(hash crypto.Hash, data []byte, size int) error {
	if hash == 0 && len(data) > size-11 {
		return badLength(fmt.Sprintf("at most %d bytes fit this key", size-11), "send a DigestInfo")
	}
	return nil
}
