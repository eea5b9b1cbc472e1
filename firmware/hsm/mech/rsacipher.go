package mech

import (
	"crypto"
	"crypto/rsa"
	"fmt"

	"usbhsm7/firmware/command"
)

func encryptRaw(k *Key, m *command.Mechanism, data []byte, _ Entropy) (out, iv []byte, err error) {
	public, err := publicAs[*rsa.PublicKey](k, m.Type)
	if err != nil {
		return nil, nil, err
	}
	out, err = rawPublic(public, data)
	return out, nil, err
}

func decryptRaw(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	private, err := ciphertextFor(k, m, data)
	if err != nil {
		return nil, err
	}
	return rawPrivate(private, data)
}

// encryptPKCS1 follows RFC 8017, section 7.2.1.
func encryptPKCS1(k *Key, m *command.Mechanism, data []byte, entropy Entropy) (out, iv []byte, err error) {
	public, err := publicAs[*rsa.PublicKey](k, m.Type)
	if err != nil {
		return nil, nil, err
	}
	size := public.Size()
	if len(data) > size-11 {
		return nil, nil, badLength(fmt.Sprintf("at most %d bytes fit this key", size-11), "")
	}
	em := make([]byte, size)
	em[1] = 2
	if err := nonZero(em[2:size-len(data)-1], entropy); err != nil {
		return nil, nil, err
	}
	copy(em[size-len(data):], data)
	out, err = rawPublic(public, em)
	return out, nil, err
}

// nonZero fills p with random bytes other than 0.
func nonZero(p []byte, entropy Entropy) error {
	for i := 0; i < len(p); {
		more, err := Random(len(p)-i, entropy.Reader)
		if err != nil {
			return err
		}
		for _, b := range more {
			if b != 0 {
				p[i] = b
				i++
			}
		}
	}
	return nil
}

func decryptPKCS1(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	private, err := ciphertextFor(k, m, data)
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 the mechanism is offered all the same; see docs/security.md
	out, err := rsa.DecryptPKCS1v15(nil, private, data)
	if err != nil {
		return nil, undecipherable("the padding is wrong")
	}
	return out, nil
}

// ciphertextFor returns the private key for a ciphertext of its length.
func ciphertextFor(k *Key, m *command.Mechanism, data []byte) (*rsa.PrivateKey, error) {
	private, err := privateAs[*rsa.PrivateKey](k, m.Type)
	if err == nil && len(data) != private.Size() {
		err = badCiphertextLength(fmt.Sprintf("a ciphertext of this key has %d bytes", private.Size()))
	}
	return private, err
}

// oaepHashes returns the hash of the label and that of MGF1.
func oaepHashes(m *command.Mechanism) (hash, mgf crypto.Hash, err error) {
	if hash, err = hashParam(m, m.Hash); err != nil {
		return 0, 0, err
	}
	if m.MGF == 0 {
		return hash, hash, nil
	}
	mgf, err = hashParam(m, m.MGF)
	return hash, mgf, err
}

// encryptOAEP follows RFC 8017, section 7.1.1.
func encryptOAEP(k *Key, m *command.Mechanism, data []byte, entropy Entropy) (out, iv []byte, err error) {
	public, err := publicAs[*rsa.PublicKey](k, m.Type)
	if err != nil {
		return nil, nil, err
	}
	hash, mgf, err := oaepHashes(m)
	if err != nil {
		return nil, nil, err
	}
	if room := public.Size() - 2*hash.Size() - 2; len(data) > room {
		return nil, nil, badLength(fmt.Sprintf("at most %d bytes fit this key and hash", max(room, 0)), "")
	}
	opts := &rsa.OAEPOptions{Hash: hash, MGFHash: mgf, Label: m.Label}
	if out, err = rsa.EncryptOAEPWithOptions(entropy.Reader, public, data, opts); err != nil {
		return nil, nil, failed(err, "the data could not be encrypted")
	}
	return out, nil, nil
}

func decryptOAEP(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	private, err := ciphertextFor(k, m, data)
	if err != nil {
		return nil, err
	}
	hash, mgf, err := oaepHashes(m)
	if err != nil {
		return nil, err
	}
	if private.Size() < 2*hash.Size()+2 {
		return nil, badCiphertextLength("the key is too short for this hash")
	}
	out, err := private.Decrypt(nil, data, &rsa.OAEPOptions{Hash: hash, MGFHash: mgf, Label: m.Label})
	if err != nil {
		return nil, undecipherable("the padding is wrong")
	}
	return out, nil
}
